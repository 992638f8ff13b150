import { parseGuixNarinfo } from '../../domain/guix/narinfo.ts';
import { describeFault, faultOfNarinfo } from '../../domain/guix/signature.ts';
import { parseCa, verifyContentAddress } from '../../domain/store/content-address.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import { type NarInfo, parseNarinfo } from '../../domain/store/narinfo.ts';
import { verify } from '../../domain/store/signature.ts';
import { CliError } from '../output/cli-error.ts';
import type { NarPlace } from './nar-source.ts';
import type { TrustedKeys } from './trusted-keys.ts';

/** What a cache says of a store item, in Nix's format or in Guix's. */
export interface CacheItem {
  /** Base name. */
  readonly base: string;
  readonly storeDir: string;
  readonly narHash: string;
  readonly narSize: number;
  /** Base names. */
  readonly references: readonly string[];
  readonly deriver?: string | undefined;
  readonly ca?: string | undefined;
  /** Where its NAR is: one of them is enough. */
  readonly nars: readonly NarPlace[];
}

/** Of several files the one that is sent as it is, then those that are read fastest. */
const preference: readonly string[] = ['zstd', 'none', 'gzip', 'lzip'];

/**
 * Reads a narinfo and holds it against the keys.
 *
 * @param keys of which one has to have signed what is not content-addressed; `undefined`: nobody has to.
 * @throws FormatError `malformed-narinfo`; CliError `wrong-store-dir`, `bad-signature`
 */
export function readCacheItem(text: string, storeDir: string, keys: TrustedKeys | undefined): CacheItem {
  return /^Signature: /m.test(text) ? guixItem(text, storeDir, keys) : nixItem(text, storeDir, keys);
}

function guixItem(text: string, storeDir: string, keys: TrustedKeys | undefined): CacheItem {
  const { storePath, narHash, narSize, references, deriver, nars } = parseGuixNarinfo(text, storeDir);
  const fault = keys && faultOfNarinfo(text, keys.guix);
  if (fault !== undefined) throw new CliError('bad-signature', `${storePath}: ${describeFault(fault)}`);
  const rank = ({ compression }: NarPlace) => {
    const place = preference.indexOf(compression);
    return place < 0 ? preference.length : place;
  };
  const ordered = [...nars].sort((a, b) => rank(a) - rank(b));
  return { base: storePath.slice(storeDir.length + 1), storeDir, narHash, narSize, references, deriver, nars: ordered };
}

function nixItem(text: string, storeDir: string, keys: TrustedKeys | undefined): CacheItem {
  const info = parseNarinfo(text);
  const { storePath, narHash, narSize, references, deriver, ca, url, compression } = info;
  const base = storePath.slice(storePath.lastIndexOf('/') + 1);
  if (storePath !== `${storeDir}/${base}`)
    throw new CliError('wrong-store-dir', `expected a path in ${storeDir}, got ${storePath}`);
  if (keys !== undefined) requireTrust(info, storeDir, keys.nix);
  return { base, storeDir, narHash, narSize, references, deriver, ca, nars: [{ url, compression }] };
}

/** The pool holds a content address against the content; a signature only says whom the rest is believed. */
function requireTrust(info: NarInfo, storeDir: string, keys: readonly string[]): void {
  const references = info.references.map((reference) => `${storeDir}/${reference}`);
  const addressed =
    info.ca !== undefined &&
    !references.includes(info.storePath) &&
    verifyContentAddress({ path: info.storePath, references }, parseCa(info.ca), storeDir);
  const text = fingerprint(info);
  if (addressed || keys.some((key) => info.signatures.some((signature) => verify(key, text, signature)))) return;
  const by = info.signatures.map((signature) => signature.split(':', 1)[0]).join(', ') || 'nobody';
  throw new CliError('bad-signature', `${info.storePath}: expected a signature by a key that is trusted, got ${by}`);
}
