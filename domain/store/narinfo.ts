import { excerpt } from './format-error.ts';
import { formatHash, parseHash, parseSha256 } from './hash-text.ts';
import { bytesIn, inField, malformedNarinfo } from './narinfo-fields.ts';
import { parseBaseName } from './store-path.ts';

/** Metadata of one store item as a binary cache serves it (`<hash>.narinfo`). */
export interface NarInfo {
  /** Full path. */
  readonly storePath: string;
  /** Relative to the cache's root, or absolute; may carry a query. */
  readonly url: string;
  /** `none`, `xz`, `zstd` … */
  readonly compression: string;
  /** `<algorithm>:<nix-base32>` of the compressed file. */
  readonly fileHash?: string;
  readonly fileSize?: number;
  /** `sha256:<nix-base32>` */
  readonly narHash: string;
  readonly narSize: number;
  /** Base names, in the order of the file. */
  readonly references: readonly string[];
  /** Base name of the derivation. */
  readonly deriver?: string;
  /** Only older caches write it. */
  readonly system?: string;
  /** `<key name>:<base64>` */
  readonly signatures: readonly string[];
  /** Content address: `fixed:[r:|git:]<algorithm>:<nix-base32>` or `text:sha256:<nix-base32>`. */
  readonly ca?: string;
  /** Where the same NAR is, besides, for who knows that upstream: Drover's own field, which no signature covers and others ignore. */
  readonly elsewhere?: { readonly upstream: string; readonly compression: string; readonly url: string };
}

/** Media type of Nix's form; who asks for it has it from the cache for Guix too. */
export const narinfoType = 'text/x-nix-narinfo';

/** The largest closures of a cache list thousands of references of up to 244 bytes. */
const maxLength = 4 * 1024 * 1024;

/** Writes the fields in the order that Nix writes them. */
export function renderNarinfo(info: NarInfo): string {
  const lines = [`StorePath: ${info.storePath}`, `URL: ${info.url}`, `Compression: ${info.compression}`];
  if (info.fileHash !== undefined) lines.push(`FileHash: ${info.fileHash}`);
  if (info.fileSize !== undefined) lines.push(`FileSize: ${info.fileSize}`);
  lines.push(`NarHash: ${info.narHash}`, `NarSize: ${info.narSize}`, `References: ${info.references.join(' ')}`);
  if (info.deriver !== undefined) lines.push(`Deriver: ${info.deriver}`);
  if (info.system !== undefined) lines.push(`System: ${info.system}`);
  for (const signature of info.signatures) lines.push(`Sig: ${signature}`);
  if (info.ca !== undefined) lines.push(`CA: ${info.ca}`);
  if (info.elsewhere !== undefined) {
    const { upstream, compression, url } = info.elsewhere;
    lines.push(`Upstream: ${upstream} ${compression} ${url}`);
  }
  for (const line of lines) {
    if (line.includes('\n')) throw malformedNarinfo(`expected a value without a line break, got ${excerpt(line, 120)}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Reads a narinfo by Nix's rules: unknown fields are ignored, of a repeated field the last counts except that `Sig`
 * gathers and `References` and `CA` must not repeat, no `Compression` means bzip2, `unknown-deriver` means none.
 *
 * @throws FormatError `malformed-narinfo`.
 */
export function parseNarinfo(text: string): NarInfo {
  if (text.length > maxLength) throw malformedNarinfo(`expected at most ${maxLength} characters, got ${text.length}`);
  const fields = new Map<string, string>();
  const signatures: string[] = [];
  for (const [key, value] of fieldsOf(text)) {
    if ((key === 'References' || key === 'CA') && fields.has(key))
      throw malformedNarinfo(`expected ${key} once, got it twice`);
    if (key === 'Sig') signatures.push(value);
    else fields.set(key, value);
  }

  const storePath = required(fields, 'StorePath');
  inField('StorePath', () => parseBaseName(storePath.slice(storePath.lastIndexOf('/') + 1)));
  if (!storePath.startsWith('/'))
    throw malformedNarinfo(`expected a full path in StorePath, got ${excerpt(storePath)}`);
  const narHash = required(fields, 'NarHash');
  const fileHash = fields.get('FileHash');
  const fileSize = fields.get('FileSize');
  const narSize = bytesIn('NarSize', required(fields, 'NarSize'));
  if (narSize === 0) throw malformedNarinfo('expected NarSize above 0, got 0');
  const deriver = fields.get('Deriver');
  const known = deriver === undefined || deriver === '' || deriver === 'unknown-deriver' ? undefined : deriver;
  if (known !== undefined) inField('Deriver', () => parseBaseName(known));
  const references = (fields.get('References') ?? '').split(/[ \t]+/).filter((reference) => reference !== '');
  for (const reference of references) inField('References', () => parseBaseName(reference));
  const system = fields.get('System');
  const ca = fields.get('CA');
  const elsewhere = /^(\S+) (\S+) (\S+)$/.exec(fields.get('Upstream') ?? '');
  return {
    storePath,
    url: required(fields, 'URL'),
    compression: fields.get('Compression') || 'bzip2',
    ...(fileHash && { fileHash: inField('FileHash', () => formatHash(parseHash(fileHash))) }),
    ...(fileSize && { fileSize: bytesIn('FileSize', fileSize) }),
    narHash: inField('NarHash', () => formatHash({ algo: 'sha256', digest: parseSha256(narHash) })),
    narSize,
    references,
    ...(known !== undefined && { deriver: known }),
    ...(system !== undefined && { system }),
    signatures,
    ...(ca && { ca }),
    ...(elsewhere && {
      elsewhere: {
        upstream: elsewhere[1] as string,
        compression: elsewhere[2] as string,
        url: elsewhere[3] as string,
      },
    }),
  };
}

function* fieldsOf(text: string): Generator<[key: string, value: string]> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    if (end < 0) throw malformedNarinfo('expected a line break at the end of the last line, got none', text.length);
    const line = text.slice(start, end);
    const colon = line.indexOf(': ');
    if (colon < 1 || line.indexOf(':') !== colon)
      throw malformedNarinfo(`expected "Key: value", got ${excerpt(line)}`, start);
    yield [line.slice(0, colon), line.slice(colon + 2)];
    start = end + 1;
  }
}

function required(fields: ReadonlyMap<string, string>, key: string): string {
  const value = fields.get(key);
  if (!value)
    throw malformedNarinfo(`expected ${key}, got ${value === undefined ? 'no such field' : 'an empty value'}`);
  return value;
}
