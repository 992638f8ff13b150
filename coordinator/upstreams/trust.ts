import type { UpstreamItem } from '../../domain/item/events.ts';
import { referencesExcess } from '../../domain/limits.ts';
import { parseCa, verifyContentAddress } from '../../domain/store/content-address.ts';
import { fingerprint, inOrder } from '../../domain/store/fingerprint.ts';
import { excerpt } from '../../domain/store/format-error.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { verify } from '../../domain/store/signature.ts';
import type { SignedInfo } from '../ports/upstream.ts';

/** What an upstream says of an item, as far as it is believed. */
export type Believed = Omit<UpstreamItem, 'expires'>;

export interface TrustRules {
  readonly storeDir: string;
  readonly maxNarBytes: number;
  readonly maxCommitBytes: number;
}

/** What a coordinator can decompress (adapters/upstream/decompress.ts). */
const compressions: ReadonlySet<string> = new Set(['none', 'xz', 'zstd', 'bzip2', 'gzip', 'br', 'lzip']);
/** By keys of the upstream's names, which has one, or two while it changes it. */
const mostSignatures = 8;

/** Holds a narinfo of an upstream against what was asked for and its keys: what is believed of it, or why it is not. */
export function believe(
  info: SignedInfo,
  path: string,
  upstream: { readonly name: string; readonly publicKeys: readonly string[] },
  { storeDir, maxNarBytes, maxCommitBytes }: TrustRules,
): Believed | { readonly fault: string } {
  const full = `${storeDir}/${path}`;
  if (info.storePath !== full)
    return { fault: `expected the narinfo of ${full}, got that of ${excerpt(info.storePath, 300)}` };
  const references = [...inOrder(info.references)];
  const signatures = info.holding ?? holding(info, upstream.publicKeys);
  if (signatures.length === 0)
    return { fault: `${path}: expected a signature by a key of the upstream, got ${signersOf(info)}` };
  if (info.narSize > maxNarBytes)
    return { fault: `${path}: expected a NAR of at most ${maxNarBytes} bytes, got ${info.narSize}` };
  if (!compressions.has(info.compression))
    return { fault: `${path}: expected ${[...compressions].join(', ')}, got compression ${excerpt(info.compression)}` };
  if (info.url.length > 2048) return { fault: `${path}: expected a URL of at most 2048 characters` };
  const excess = referencesExcess(references, maxCommitBytes);
  if (excess !== undefined) return { fault: `${path}: ${excess}` };
  const ca = contentAddressOf(info, storeDir);
  return {
    path,
    upstream: upstream.name,
    narHash: info.narHash,
    narSize: info.narSize,
    references,
    ...(info.deriver !== undefined && { deriver: info.deriver }),
    ...(ca !== undefined && { ca }),
    signatures: [...signatures],
    url: info.url,
    compression: info.compression,
  };
}

/** Those of its signatures that one of the keys has made over what it says. */
export function holding(
  info: Pick<NarInfo, 'storePath' | 'narHash' | 'narSize' | 'references' | 'signatures'>,
  publicKeys: readonly string[],
): string[] {
  const signed = fingerprint(info);
  // Few are looked at: each takes a look at all of a text that may be long.
  const names = publicKeys.map((key) => key.slice(0, key.indexOf(':') + 1));
  return info.signatures
    .filter((signature) => names.some((name) => signature.startsWith(name)))
    .slice(0, mostSignatures)
    .filter((signature) => publicKeys.some((key) => verify(key, signed, signature)));
}

/** No signature covers it: it counts where the path is the one that it determines. */
function contentAddressOf({ ca, storePath, references }: NarInfo, storeDir: string): string | undefined {
  if (ca === undefined) return undefined;
  try {
    const addressed = { path: storePath, references: references.map((base) => `${storeDir}/${base}`) };
    return verifyContentAddress(addressed, parseCa(ca), storeDir) ? ca : undefined;
  } catch {
    return undefined;
  }
}

function signersOf({ signatures }: NarInfo): string {
  if (signatures.length === 0) return 'none';
  const names = signatures.slice(0, 4).map((signature) => signature.slice(0, Math.max(0, signature.indexOf(':'))));
  return names.map((name) => name.slice(0, 64)).join(', ');
}
