import { createHash, type Hash } from 'node:crypto';
import { FormatError } from '../store/format-error.ts';
import { formatHash } from '../store/hash-text.ts';
import { narLimits } from '../store/nar-limits.ts';
import { createNarParser } from '../store/nar-parser.ts';
import { parseStorePath } from '../store/store-path.ts';
import type { GuixSecretKey } from './keys.ts';
import { longestExpression, type SExpression } from './s-expression.ts';
import { describeFault, faultOfSignature, signGuixHash } from './signature.ts';

/**
 * What `guix archive --export` writes: per item a 1, its NAR, a magic number, its path, what it refers to, its deriver, and a signature over the
 * bytes from the NAR to the deriver; then a 0. Numbers have 8 bytes, texts theirs before them and are padded to 8.
 *
 * Source: Guix, `nix/libstore/local-store.cc` (`exportPath`) and `guix/store.scm` (`export-paths`).
 */
export interface ExportedItem {
  /** Base name. */
  readonly path: string;
  /** Base names, its own too where it refers to itself, in the order of the archive. */
  readonly references: readonly string[];
  /** Base name of the derivation. */
  readonly deriver?: string;
  /** `sha256:<nix-base32>` */
  readonly narHash: string;
  readonly narSize: number;
}

/** Bytes of the NAR of an item, only lent until the next part is asked for; then, after all of it, what the item is. */
export type ExportPart = { readonly nar: Uint8Array } | { readonly item: ExportedItem };

export interface ExportReader {
  /**
   * Takes the next bytes, as its parts are asked for: all of them have to be. Throws a {@link FormatError} at the first thing that is wrong; what an
   * item's NAR held until then is to be thrown away.
   */
  write(chunk: Uint8Array): Generator<ExportPart, void, undefined>;
  /** Throws a {@link FormatError} unless the archive is complete. */
  end(): void;
}

export interface ExportReaderOptions {
  readonly storeDir: string;
  /** Keys of which one has to have signed each item; if absent, nobody has to, and signatures are passed over. */
  readonly trusted?: readonly SExpression[];
  /** Largest NAR, in bytes. */
  readonly maxNarSize: number;
}

const itemMagic = 0x4558494e;
/** Those of one item. A coordinator takes no more either. */
const mostReferences = 100_000;
const longestPath = 4096;

/** Where in an archive it is, in what is wanted next: so many bytes, or a NAR, which says itself where it ends. */
type Wanted = { readonly bytes: number; readonly what: string } | 'nar';

/** Reads an archive as it streams in: nothing is kept but what is said of the item that is being read. */
export function createExportReader({ storeDir, trusted, maxNarSize }: ExportReaderOptions): ExportReader {
  let offset = 0;
  let items = 0;
  let finished: ExportedItem | undefined;
  let narSize = 0;
  let narHash = createHash('sha256');
  /** Of what the signature is over; none where it is not read. */
  let signed: Hash | undefined;
  let parser = createNarParser(maxNarSize, narLimits);
  let gathered: Buffer[] = [];
  let gatheredSize = 0;

  const grammar = read();
  let wanted = grammar.next().value as Wanted | undefined;
  return { write, end };

  function* write(chunk: Uint8Array): Generator<ExportPart, void, undefined> {
    for (let at = 0; at < chunk.length; ) {
      if (wanted === undefined) throw malformed('expected nothing after the 0 that ends the archive, got more bytes');
      const rest = chunk.subarray(at);
      if (wanted === 'nar') {
        const nar = rest.subarray(0, takeNar(rest));
        at += nar.length;
        offset += nar.length;
        if (nar.length > 0) yield { nar };
        if (parser.isComplete()) proceed(Buffer.alloc(0));
      } else {
        const part = rest.subarray(0, wanted.bytes - gatheredSize);
        signed?.update(part);
        // A copy: the chunk is only lent.
        gathered.push(Buffer.from(part));
        gatheredSize += part.length;
        at += part.length;
        offset += part.length;
        if (gatheredSize === wanted.bytes) {
          const bytes = Buffer.concat(gathered);
          gathered = [];
          gatheredSize = 0;
          proceed(bytes);
        }
      }
      if (finished !== undefined) {
        const item = finished;
        finished = undefined;
        yield { item };
      }
    }
  }

  function proceed(bytes: Buffer): void {
    const next = grammar.next(bytes);
    wanted = next.done ? undefined : next.value;
  }

  function takeNar(bytes: Uint8Array): number {
    try {
      const taken = parser.take(bytes);
      narHash.update(bytes.subarray(0, taken));
      signed?.update(bytes.subarray(0, taken));
      narSize += taken;
      return taken;
    } catch (error) {
      throw error instanceof FormatError ? new FormatError(error.code, `item ${items}: ${error.message}`) : error;
    }
  }

  function end(): void {
    if (wanted !== undefined) throw malformed(`expected ${wanted === 'nar' ? 'a NAR' : wanted.what}, got the end`);
  }

  function* read(): Generator<Wanted, void, Buffer> {
    while (
      yield* flag(items === 0 ? '1 before an item, or 0 where there is none' : '1 before an item, or 0 at the end')
    ) {
      items++;
      narSize = 0;
      narHash = createHash('sha256');
      signed = trusted && createHash('sha256');
      parser = createNarParser(maxNarSize, narLimits);
      yield 'nar';
      const magic = yield* number('the number that follows a NAR');
      if (magic !== itemMagic) throw malformed(`expected the number ${itemMagic} after a NAR, got ${magic}`);
      const path = yield* storePath('the path of the item');
      const count = yield* number(`the number of references of ${path}`);
      if (count > mostReferences)
        throw malformed(`${path}: expected at most ${mostReferences} references, got ${count}`);
      const references: string[] = [];
      while (references.length < count) references.push(yield* storePath(`a reference of ${path}`));
      const deriver = yield* text(`the deriver of ${path}`, longestPath);
      if (deriver !== '') baseName(deriver);
      const hash = signed?.digest();
      signed = undefined;
      yield* checkSignature(path, hash);
      finished = {
        path,
        references,
        ...(deriver !== '' && { deriver: baseName(deriver) }),
        narHash: formatHash({ algo: 'sha256', digest: narHash.digest() }),
        narSize,
      };
    }
  }

  function* checkSignature(path: string, hash: Uint8Array | undefined): Generator<Wanted, void, Buffer> {
    const isSigned = yield* flag(`1 before the signature of ${path}, or 0`);
    const signature = isSigned ? yield* text(`the signature of ${path}`, longestExpression) : undefined;
    if (trusted === undefined || hash === undefined) return;
    if (signature === undefined) throw new FormatError('bad-signature', `${path}: expected a signature, got none`);
    const fault = faultOfSignature(signature, hash, trusted);
    if (fault !== undefined) throw new FormatError('bad-signature', `${path}: ${describeFault(fault)}`);
  }

  function* storePath(what: string): Generator<Wanted, string, Buffer> {
    return baseName(yield* text(what, longestPath));
  }

  function baseName(path: string): string {
    return parseStorePath(path, storeDir).base;
  }

  function* flag(what: string): Generator<Wanted, boolean, Buffer> {
    const value = yield* number(what);
    if (value > 1) throw malformed(`expected ${what}, got ${value}`);
    return value === 1;
  }

  function* number(what: string): Generator<Wanted, number, Buffer> {
    const bytes = yield { bytes: 8, what };
    return bytes.readUInt32LE(0) + bytes.readUInt32LE(4) * 2 ** 32;
  }

  function* text(what: string, limit: number): Generator<Wanted, string, Buffer> {
    const length = yield* number(`the length of ${what}`);
    if (length > limit) throw malformed(`expected ${what}, of at most ${limit} bytes, got a length of ${length}`);
    const size = Math.ceil(length / 8) * 8;
    if (size === 0) return '';
    const bytes = yield { bytes: size, what };
    if (bytes.subarray(length).some((byte) => byte !== 0))
      throw malformed(`expected zero padding behind ${what}, got other bytes`);
    return bytes.toString('latin1', 0, length);
  }

  function malformed(message: string): FormatError {
    return new FormatError('malformed-export', message, offset);
  }
}

/** An item to be written. */
export interface ItemToExport {
  /** Full paths. */
  readonly path: string;
  readonly references: readonly string[];
  readonly deriver?: string;
  readonly nar: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/**
 * Writes an archive, byte for byte as Guix does where the references are sorted and there is a key; unsigned without one, which the daemon of Guix takes from
 * root alone.
 *
 * @throws FormatError `malformed-nar` for bytes that are no NAR. What was written so far is then no archive.
 */
export async function* writeExport(
  items: AsyncIterable<ItemToExport> | Iterable<ItemToExport>,
  key?: GuixSecretKey,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { path, references, deriver = '', nar } of items) {
    yield numberField(1);
    const signed = createHash('sha256');
    const parser = createNarParser(Number.MAX_SAFE_INTEGER, narLimits);
    for await (const chunk of nar) {
      parser.write(chunk);
      signed.update(chunk);
      yield chunk;
    }
    parser.end();
    const trailer = Buffer.concat([
      numberField(itemMagic),
      textField(path),
      numberField(references.length),
      ...references.map(textField),
      textField(deriver),
    ]);
    yield trailer;
    if (key === undefined) yield numberField(0);
    else yield Buffer.concat([numberField(1), textField(signGuixHash(key, signed.update(trailer).digest()))]);
  }
  yield numberField(0);
}

function numberField(value: number): Buffer {
  const field = Buffer.alloc(8);
  field.writeUInt32LE(value >>> 0);
  return field;
}

function textField(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([numberField(bytes.length), bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
}
