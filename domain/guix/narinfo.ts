import { inOrder } from '../store/fingerprint.ts';
import { excerpt } from '../store/format-error.ts';
import { formatHash, parseSha256 } from '../store/hash-text.ts';
import { bytesIn, inField, malformedNarinfo } from '../store/narinfo-fields.ts';
import { parseBaseName, parseStorePath } from '../store/store-path.ts';

/** What Guix signs of a store item. */
export interface GuixItem {
  /** Full path. */
  readonly storePath: string;
  /** `sha256:<nix-base32>` */
  readonly narHash: string;
  readonly narSize: number;
  /** Base names. */
  readonly references: readonly string[];
  /** Base name of the derivation. */
  readonly deriver?: string | undefined;
}

/** Where its NAR can be fetched. */
export interface GuixNar {
  /** Relative to the cache's root, or absolute; percent-encoded. */
  readonly url: string;
  /** `none`, `gzip`, `lzip`, `zstd`, `xz`, `bzip2` */
  readonly compression: string;
  /** Bytes of the compressed file, where that is known. */
  readonly fileSize?: number | undefined;
}

/** Metadata of one store item as a substitute server of Guix serves it (`<hash>.narinfo`). */
export interface GuixNarInfo extends GuixItem {
  /** Only some servers write it. */
  readonly system?: string;
  /** What stands after `Signature: `; `undefined` in one that is not signed, which Guix takes no item by. */
  readonly signature?: string;
  /** In the order of the file: the first is what the server likes best. */
  readonly nars: readonly GuixNar[];
}

/** The largest closures of a cache list thousands of references of up to 244 bytes. */
const maxLength = 4 * 1024 * 1024;
const mostNars = 16;

/** Items whose names say that they are compressed are not compressed again. Source: Guix 1.5.0, `guix/utils.scm`, `compressed-file?`. */
export function isCompressedName(base: string): boolean {
  return /\.(?:gz|bz2|xz|lz|lzma|tgz|tbz2|tzst|zip|zst)$/.test(base);
}

/**
 * The lines of a narinfo that its signature is over, as `guix publish` writes them; nothing after `References: ` leaves its space at the end.
 * Source: Guix 1.5.0, `guix/scripts/publish.scm`, `narinfo-string`.
 */
export function guixSignedText({ storePath, narHash, narSize, references, deriver }: GuixItem): string {
  const lines = [
    `StorePath: ${storePath}`,
    `NarHash: ${narHash}`,
    `NarSize: ${narSize}`,
    `References: ${inOrder(references).join(' ')}`,
    ...(deriver === undefined ? [] : [`Deriver: ${deriver}`]),
  ];
  return ofLines(lines);
}

/**
 * The whole: what is signed, the signature, and where the NAR is, which nobody has signed. Guix puts the sizes to the URLs by their order: they
 * are written where all of them are known.
 *
 * @param text of {@link guixSignedText}
 * @param signature of `signatureField`
 */
export function renderGuixNarinfo(text: string, signature: string, nars: readonly GuixNar[]): string {
  const withSizes = nars.every(({ fileSize }) => fileSize !== undefined);
  const lines = nars.flatMap(({ url, compression, fileSize }) => [
    `URL: ${url}`,
    `Compression: ${compression}`,
    ...(withSizes ? [`FileSize: ${fileSize}`] : []),
  ]);
  return text + ofLines([`Signature: ${signature}`, ...lines]);
}

/** Where the NAR of an item is fetched in this compression, relative to the cache's root: `nar/zstd/<base name>`, `nar/<base name>`. */
export function guixNarUrl(base: string, compression: string): string {
  return `nar/${compression === 'none' ? '' : `${compression}/`}${encodeURIComponent(base)}`;
}

/**
 * Reads a narinfo of Guix, more strictly than Guix does: each field once but those of its NARs, of which there is one at least; all that is
 * signed above the signature. Sizes that are not there for all NARs are of none, as nobody can tell of which. `Deriver` may be empty; unknown
 * fields are passed over.
 *
 * The signature is not looked at: `faultOfNarinfo` does.
 *
 * @throws FormatError `malformed-narinfo`; also for a path of another store directory.
 */
export function parseGuixNarinfo(text: string, storeDir: string): GuixNarInfo {
  if (text.length > maxLength) throw malformedNarinfo(`expected at most ${maxLength} characters, got ${text.length}`);
  const once = new Map<string, string>();
  const many = { URL: [], Compression: [], FileSize: [], FileHash: [] } as Record<string, string[]>;
  for (const [key, value, start] of fieldsOf(text)) {
    if (Object.hasOwn(many, key)) many[key]?.push(value);
    else if (once.has(key)) throw malformedNarinfo(`expected ${key} once, got it twice`, start);
    else if (once.has('Signature') && signedKeys.has(key))
      throw malformedNarinfo(`expected ${key} above the signature, which has to be over it, got it below`, start);
    else once.set(key, value);
  }

  const storePath = required(once, 'StorePath');
  inField('StorePath', () => parseStorePath(storePath, storeDir));
  const narHash = required(once, 'NarHash');
  const references = required(once, 'References')
    .split(' ')
    .filter((reference) => reference !== '');
  for (const reference of references) inField('References', () => parseBaseName(reference));
  const deriver = once.get('Deriver') || undefined;
  if (deriver !== undefined) inField('Deriver', () => parseBaseName(deriver));
  const narSize = bytesIn('NarSize', required(once, 'NarSize'));
  if (narSize === 0) throw malformedNarinfo('expected NarSize above 0, got 0');
  const [system, signature] = [once.get('System'), once.get('Signature')];
  return {
    storePath,
    narHash: inField('NarHash', () => formatHash({ algo: 'sha256', digest: parseSha256(narHash) })),
    narSize,
    references,
    ...(deriver !== undefined && { deriver }),
    ...(system !== undefined && { system }),
    ...(signature !== undefined && { signature }),
    nars: narsOf(many as unknown as NarFields),
  };
}

const signedKeys: ReadonlySet<string> = new Set(['StorePath', 'NarHash', 'NarSize', 'References', 'Deriver']);

interface NarFields {
  readonly URL: readonly string[];
  readonly Compression: readonly string[];
  readonly FileSize: readonly string[];
}

function narsOf({ URL: urls, Compression: compressions, FileSize: sizes }: NarFields): GuixNar[] {
  if (urls.length === 0 || urls.length > mostNars)
    throw malformedNarinfo(`expected 1 to ${mostNars} URLs, got ${urls.length}`);
  if (compressions.length !== urls.length)
    throw malformedNarinfo(`expected Compression for each of ${urls.length} URLs, got ${compressions.length}`);
  const known = sizes.length === urls.length ? sizes : [];
  return urls.map((url, index) => {
    if (url === '' || /\s/.test(url)) throw malformedNarinfo(`expected a URL without white space, got ${excerpt(url)}`);
    const compression = compressions[index] as string;
    if (!/^[a-z0-9]{1,16}$/.test(compression))
      throw malformedNarinfo(`expected a compression, got ${excerpt(compression)}`);
    const size = known[index];
    return { url, compression, ...(size !== undefined && { fileSize: bytesIn('FileSize', size) }) };
  });
}

function* fieldsOf(text: string): Generator<[key: string, value: string, start: number]> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    if (end < 0) throw malformedNarinfo('expected a line break at the end of the last line, got none', text.length);
    const line = text.slice(start, end);
    if (line.endsWith('\r')) throw malformedNarinfo('expected lines that end with LF, got CRLF', end - 1);
    const [, key, value] = /^([A-Za-z][A-Za-z0-9]*): (.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined)
      throw malformedNarinfo(`expected "Key: value", got ${excerpt(line)}`, start);
    yield [key, value, start];
    start = end + 1;
  }
}

function required(fields: ReadonlyMap<string, string>, key: string): string {
  const value = fields.get(key);
  if (value === undefined || (value === '' && key !== 'References'))
    throw malformedNarinfo(`expected ${key}, got ${value === undefined ? 'no such field' : 'an empty value'}`);
  return value;
}

function ofLines(lines: readonly string[]): string {
  for (const line of lines)
    if (/[\r\n]/.test(line)) throw malformedNarinfo(`expected a value without a line break, got ${excerpt(line, 120)}`);
  return lines.map((line) => `${line}\n`).join('');
}
