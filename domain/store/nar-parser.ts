import { excerpt, FormatError } from './format-error.ts';
import { invalidEntryName, invalidTarget, type NarLimits, narMagic } from './nar-limits.ts';

export interface NarParser {
  /** Takes the next bytes of the NAR; throws a {@link FormatError} at the first thing that is wrong. */
  write(chunk: Uint8Array): void;
  /** The same, up to the end of the NAR, behind which anything may follow: how many of the bytes belong to it. */
  take(chunk: Uint8Array): number;
  /** Whether all of the NAR was read. */
  isComplete(): boolean;
  /** Throws a {@link FormatError} unless the NAR is complete. */
  end(): void;
}

/**
 * Told of what is in a NAR, in its order. `path`: the names of the directories around it and its own, byte strings; none for the root. It is only
 * lent, until the call returns.
 */
export interface NarVisitor {
  /** @param offset of the first byte of its contents in the NAR. */
  file(path: readonly string[], size: number, executable: boolean, offset: number): void;
  symlink(path: readonly string[], target: string): void;
  directory(path: readonly string[]): void;
  /** The directory that was opened last of those that are open has no more entries. */
  close(): void;
}

const magic = 0;
const nodeOpen = 1;
const typeTag = 2;
const typeName = 3;
const fileField = 4;
const executableValue = 5;
const contentsTag = 6;
const contents = 7;
const targetTag = 8;
const target = 9;
const nodeClose = 10;
const entryOrClose = 11;
const entryOpen = 12;
const nameTag = 13;
const name = 14;
const nodeTag = 15;
const entryClose = 16;
const finished = 17;

/** What may stand in each place, for error messages, and for fixed words. */
const expectations: readonly string[] = [
  narMagic,
  '(',
  'type',
  'regular, directory or symlink',
  'executable or contents',
  'an empty string after executable',
  'contents',
  'contents of a file',
  'target',
  'target of a symbolic link',
  ')',
  'entry or )',
  '(',
  'name',
  'an entry name',
  'node',
  ')',
  'the end',
];

/** Bytes of the word in those states in which only one can stand; compared in place, without making a string. */
const fixedWords: readonly (Uint8Array | undefined)[] = expectations.map((text, state) =>
  [typeName, fileField, executableValue, contents, target, entryOrClose, name, finished].includes(state)
    ? undefined
    : Buffer.from(text),
);

/** The longest fixed word is "nix-archive-1", 13 bytes. Nix allows 32 for any word. */
const wordLimit = 32;

/**
 * Checks the grammar of a NAR as it streams in, and passes over file contents in bulk.
 *
 * Iterative: nesting costs one name per open directory and no stack. Nothing is allocated for a length before the
 * length has been checked.
 *
 * @param maxSize no string may reach past this many bytes from the start of the NAR.
 * @param visitor told of what is in it, as far as it is right.
 */
export function createNarParser(maxSize: number, limits: NarLimits, visitor?: NarVisitor): NarParser {
  let state = magic;
  /** Whether the file that is being read is executable. */
  let executable = false;
  /** The last entry name of every open directory, `undefined` before the first. */
  const names: (string | undefined)[] = [];
  /** Offset in the NAR of the first byte of `chunk` while one is being read. */
  let consumed = 0;

  /** Length of the string whose body is awaited; -1 while its length field is. */
  let length = -1;
  /** Bytes of file contents still to pass over. */
  let contentsLeft = 0;
  /** Padding bytes still to check after file contents. */
  let paddingLeft = 0;

  /** Start of a field that is not complete in the chunks so far. */
  const partial = Buffer.alloc(Math.max(wordLimit, limits.nameLength, limits.targetLength) + 8);
  let partialLength = 0;

  return { write, take, isComplete, end };

  function write(data: Uint8Array): void {
    if (take(data) < data.length) throw wrong('the end', 'more bytes', consumed);
  }

  function take(data: Uint8Array): number {
    const chunk = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    let at = 0;
    while (at < chunk.length) {
      if (contentsLeft > 0) {
        const passed = Math.min(contentsLeft, chunk.length - at);
        contentsLeft -= passed;
        at += passed;
      } else if (paddingLeft > 0) {
        if (chunk[at] !== 0) throw wrong('zero padding', 'other bytes', consumed + at);
        paddingLeft--;
        at++;
      } else {
        if (state === finished) break;
        at += readField(chunk, at);
      }
    }
    consumed += at;
    return at;
  }

  function isComplete(): boolean {
    return state === finished && contentsLeft === 0 && paddingLeft === 0;
  }

  function end(): void {
    if (!isComplete()) throw wrong(expectations[state] as string, 'the end', consumed);
  }

  /** Reads a length field or a padded body, or keeps what there is of it; returns the number of bytes used. */
  function readField(chunk: Buffer, at: number): number {
    const size = length < 0 ? 8 : padded(length);
    const available = Math.min(size - partialLength, chunk.length - at);
    const start = consumed + at - partialLength;
    if (partialLength > 0 || available < size) {
      chunk.copy(partial, partialLength, at, at + available);
      partialLength += available;
      if (partialLength < size) return available;
      partialLength = 0;
      field(partial, 0, start);
    } else {
      field(chunk, at, start);
    }
    return available;
  }

  function field(buffer: Buffer, at: number, offset: number): void {
    if (length < 0) {
      readLength(buffer, at, offset);
    } else {
      const size = length;
      for (let index = at + size; index < at + padded(size); index++) {
        if (buffer[index] !== 0) throw wrong('zero padding', 'other bytes', offset + index - at);
      }
      length = -1;
      const fixed = fixedWords[state];
      if (fixed !== undefined && equalAt(buffer, at, size, fixed)) word();
      else token(buffer.toString('latin1', at, at + size), offset);
    }
  }

  function readLength(buffer: Buffer, at: number, offset: number): void {
    // Two halves, since a number holds no 64 bits; anything above 2^53 is far above every limit all the same.
    const value = buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32;
    const left = maxSize - (offset + 8);
    const limit = lengthLimit();
    if (value > limit)
      throw wrong(`${expectations[state]} of at most ${limit} bytes`, `a length of ${value}`, offset, 'malformed-nar');
    if (value > left) {
      const code = left < 0 || state === contents ? 'nar-too-large' : 'malformed-nar';
      const expected =
        state === contents
          ? `${expectations[state]} of at most ${left} bytes`
          : `${expectations[state]} to end within the ${maxSize} bytes of the NAR`;
      throw wrong(expected, `a length of ${value}`, offset, code);
    }
    if (state === contents) {
      contentsLeft = value;
      paddingLeft = padded(value) - value;
      visitor?.file(names as readonly string[], value, executable, offset + 8);
      state = nodeClose;
    } else if (value === 0) {
      token('', offset + 8);
    } else {
      length = value;
    }
  }

  /** Of a word by what it is, however large the NAR may be. */
  function lengthLimit(): number {
    if (state === contents) return Number.POSITIVE_INFINITY;
    return state === name ? limits.nameLength : state === target ? limits.targetLength : wordLimit;
  }

  /** Takes one complete string. `offset` is where its body starts. */
  function token(text: string, offset: number): void {
    switch (state) {
      case typeName:
        openType(text, offset);
        return;
      case fileField:
        executable = text === 'executable';
        if (executable) state = executableValue;
        else if (text === 'contents') state = contents;
        else throw unexpected(text, offset);
        return;
      case executableValue:
        if (text !== '') throw unexpected(text, offset);
        state = contentsTag;
        return;
      case target:
        refuse(invalidTarget(text, limits), offset);
        visitor?.symlink(names as readonly string[], text);
        state = nodeClose;
        return;
      case entryOrClose:
        if (text === 'entry') state = entryOpen;
        else if (text === ')') closeDirectory();
        else throw unexpected(text, offset);
        return;
      case name:
        nameEntry(text, offset);
        return;
      default:
        // A fixed word that is the expected one does not get here.
        throw unexpected(text, offset);
    }
  }

  /** The fixed word of the state was read. */
  function word(): void {
    switch (state) {
      case magic:
        state = nodeOpen;
        return;
      case nodeOpen:
        state = typeTag;
        return;
      case typeTag:
        state = typeName;
        return;
      case contentsTag:
        state = contents;
        return;
      case targetTag:
        state = target;
        return;
      case nodeClose:
        state = afterNode();
        return;
      case entryOpen:
        state = nameTag;
        return;
      case nameTag:
        state = name;
        return;
      case nodeTag:
        state = nodeOpen;
        return;
      case entryClose:
        state = entryOrClose;
        return;
      default:
        throw new Error(`NAR parser: state ${state} has no fixed word`);
    }
  }

  function openType(text: string, offset: number): void {
    if (text === 'regular') {
      state = fileField;
    } else if (text === 'symlink') {
      state = targetTag;
    } else if (text === 'directory') {
      // Those around it have a name each by now.
      visitor?.directory(names as readonly string[]);
      names.push(undefined);
      state = entryOrClose;
    } else {
      throw unexpected(text, offset);
    }
  }

  function nameEntry(text: string, offset: number): void {
    refuse(invalidEntryName(text, limits), offset);
    const previous = names[names.length - 1];
    if (previous !== undefined && text <= previous) {
      throw wrong(`a name after ${excerpt(previous)} in byte order`, excerpt(text), offset);
    }
    // The entry's depth is the number of directories around it.
    if (names.length > limits.depth) throw wrong(`a depth of at most ${limits.depth}`, `${names.length}`, offset);
    names[names.length - 1] = text;
    state = nodeTag;
  }

  function closeDirectory(): void {
    names.pop();
    visitor?.close();
    state = afterNode();
  }

  function afterNode(): number {
    return names.length === 0 ? finished : entryClose;
  }

  function refuse(reason: string | undefined, offset: number): void {
    if (reason !== undefined) throw wrong(expectations[state] as string, reason, offset);
  }

  function unexpected(text: string, offset: number): FormatError {
    return wrong(expectations[state] as string, excerpt(text), offset);
  }
}

function equalAt(buffer: Buffer, at: number, size: number, word: Uint8Array): boolean {
  if (size !== word.length) return false;
  for (let index = 0; index < size; index++) if (buffer[at + index] !== word[index]) return false;
  return true;
}

function padded(size: number): number {
  return Math.ceil(size / 8) * 8;
}

function wrong(expected: string, got: string, offset: number, code = 'malformed-nar'): FormatError {
  return new FormatError(code, `expected ${expected}, got ${got}`, offset);
}
