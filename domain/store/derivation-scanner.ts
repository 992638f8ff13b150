import type { Derivation, DerivationOutput, InputDerivation } from './derivation-shape.ts';
import { excerpt, FormatError } from './format-error.ts';
import { onlyOut } from './modulo-hash.ts';
import { base32Values } from './nix-base32.ts';
import { hashPartLength, isValidName, maxNameLength, nameCharacters } from './store-path.ts';

/** A derivation and where in its text the parts lie that a modulo hash replaces. */
export interface ScannedDerivation {
  readonly derivation: Derivation;
  readonly text: string;
  /** Index of the `[` that opens the input derivations. */
  readonly inputsStart: number;
  /** Index after the `]` that closes the input derivations. */
  readonly inputsEnd: number;
  /** Index of the `[` that opens the environment. */
  readonly envStart: number;
}

const quote = 34;
const commaCode = 44;
const open = 91;
const close = 93;
const dot = 46;
const dash = 45;

/**
 * Reads the ATerm text of a derivation in one pass.
 *
 * Accepts canonical texts only, those that the writer gives back byte for byte: lists in byte order, no duplicates,
 * the five escapes only where they are needed, nothing after the end. So a text that is accepted stands for exactly
 * one derivation, and its hash can be taken from the text itself.
 *
 * @param text a byte string.
 * @throws FormatError `malformed-derivation`, or `unsupported-dynamic` for a `DrvWithVersion`.
 */
export function scanDerivation(text: string, storeDir: string): ScannedDerivation {
  const pathPrefix = `${storeDir}/`;
  let position = 0;
  let nextEscape = indexOrEnd('\\', 0);

  refuseRawControls();
  if (text.startsWith('DrvWithVersion(')) {
    throw new FormatError('unsupported-dynamic', 'expected Derive(…), got a dynamic derivation (DrvWithVersion)', 0);
  }
  literal('Derive(');
  const outputs = list(output, (item) => item.name, 'outputs');
  comma();
  const inputsStart = position;
  const inputDerivations = list(inputDerivation, (item) => item.path, 'input derivations');
  const inputsEnd = position;
  comma();
  const inputSources = list(storePath, itself, 'input sources');
  comma();
  const system = string();
  comma();
  const builder = string();
  comma();
  const args = list(string);
  comma();
  const envStart = position;
  const env = list(variable, (item) => item[0], 'environment');
  literal(')');
  if (position !== text.length) throw wrong('the end');
  return {
    derivation: { outputs, inputDerivations, inputSources, system, builder, args, env },
    text,
    inputsStart,
    inputsEnd,
    envStart,
  };

  function output(): DerivationOutput {
    literal('("');
    const name = outputName();
    literal(',');
    const path = text.startsWith('""', position) ? string() : storePath();
    comma();
    const hashAlgo = plainString();
    comma();
    const hash = plainString();
    literal(')');
    return { name, path, hashAlgo, hash };
  }

  function inputDerivation(): InputDerivation {
    literal('(');
    const path = storePath();
    if (!path.endsWith('.drv')) throw wrong(`a name ending in .drv before here, got ${excerpt(path, 260)},`);
    comma();
    // Nearly every input wants "out" alone.
    if (text.startsWith('["out"])', position)) {
      position += 8;
      return { path, outputs: onlyOut };
    }
    const wanted = list(wantedOutput, itself, 'wanted outputs');
    if (wanted.length === 0) throw wrong('at least one wanted output before here');
    literal(')');
    return { path, outputs: wanted };
  }

  function wantedOutput(): string {
    literal('"');
    return outputName();
  }

  function variable(): [string, string] {
    literal('(');
    const key = string();
    comma();
    const value = string();
    literal(')');
    return [key, value];
  }

  /** From after the opening quote to after the closing one. */
  function outputName(): string {
    const start = position;
    skipName();
    const name = text.slice(start, position);
    if (!isValidName(name) || text.charCodeAt(position) !== quote) throw wrong('an output name', start);
    position++;
    return name;
  }

  function storePath(): string {
    const start = position + 1;
    if (text.charCodeAt(position) !== quote || !text.startsWith(pathPrefix, start)) {
      throw wrong(`a quoted path in ${storeDir}`);
    }
    const hashEnd = start + pathPrefix.length + hashPartLength;
    for (let index = hashEnd - hashPartLength; index < hashEnd; index++) {
      // An index past the end gives NaN and so undefined, which is not below 32 either.
      if (!((base32Values[text.charCodeAt(index)] as number) < 32)) throw wrong('a nix-base32 character', index);
    }
    if (text.charCodeAt(hashEnd) !== dash) throw wrong('a "-" after the hash part', hashEnd);
    position = hashEnd + 1;
    skipName();
    const length = position - hashEnd - 1;
    const valid = length >= 1 && length <= maxNameLength && text.charCodeAt(position) === quote;
    if (!valid || (text.charCodeAt(hashEnd + 1) === dot && !isValidName(text.slice(hashEnd + 1, position)))) {
      throw wrong('a store path name', hashEnd + 1);
    }
    position++;
    return text.slice(start, position - 1);
  }

  function skipName(): void {
    while (nameCharacters[text.charCodeAt(position)] === 1) position++;
  }

  /** A string that is written without escapes. */
  function plainString(): string {
    const start = position;
    const value = string();
    if (position - start - 2 !== value.length) throw wrong('a string without escapes', start);
    return value;
  }

  function string(): string {
    if (text.charCodeAt(position) !== quote) throw wrong('a quoted string');
    const start = position + 1;
    const end = text.indexOf('"', start);
    if (end < 0) throw wrong('a closing quote', text.length);
    if (nextEscape < start) nextEscape = indexOrEnd('\\', start);
    if (nextEscape > end) {
      position = end + 1;
      return text.slice(start, end);
    }
    return escapedString(start);
  }

  function escapedString(start: number): string {
    let value = '';
    let from = start;
    let end = -1;
    for (;;) {
      // Looked for anew only once the last one turned out to be escaped, or many escapes would cost their square.
      if (end < from) end = text.indexOf('"', from);
      if (end < 0) throw wrong('a closing quote', text.length);
      nextEscape = indexOrEnd('\\', from);
      if (nextEscape > end) {
        position = end + 1;
        return value + text.slice(from, end);
      }
      const escaped = escapes.get(text.charCodeAt(nextEscape + 1));
      if (escaped === undefined) throw wrong('one of \\" \\\\ \\n \\r \\t', nextEscape);
      value += text.slice(from, nextEscape) + escaped;
      from = nextEscape + 2;
    }
  }

  /** A bracketed list; with `keyOf` its keys must rise strictly. */
  function list<Item>(item: () => Item, keyOf?: (item: Item) => string, what = ''): Item[] {
    if (text.charCodeAt(position) !== open) throw wrong('"["');
    position++;
    const items: Item[] = [];
    if (text.charCodeAt(position) === close) {
      position++;
      return items;
    }
    let previous: string | undefined;
    for (;;) {
      const start = position;
      const next = item();
      if (keyOf !== undefined) {
        const key = keyOf(next);
        if (previous !== undefined && key <= previous) {
          throw wrong(`${what} in byte order without duplicates`, start);
        }
        previous = key;
      }
      items.push(next);
      const code = text.charCodeAt(position++);
      if (code === close) return items;
      if (code !== commaCode) throw wrong('"," or "]"', position - 1);
    }
  }

  function comma(): void {
    if (text.charCodeAt(position) !== commaCode) throw wrong('","');
    position++;
  }

  function literal(expected: string): void {
    if (!text.startsWith(expected, position)) throw wrong(excerpt(expected));
    position += expected.length;
  }

  /** The writer escapes these three wherever they stand. */
  function refuseRawControls(): void {
    for (const control of ['\n', '\r', '\t']) {
      const at = text.indexOf(control);
      if (at >= 0) throw wrong('an escaped control character', at);
    }
  }

  function indexOrEnd(char: string, from: number): number {
    const index = text.indexOf(char, from);
    return index < 0 ? text.length : index;
  }

  function wrong(expected: string, at = position): FormatError {
    const got = at < text.length ? excerpt(text.slice(at, at + 40)) : 'the end';
    return new FormatError('malformed-derivation', `expected ${expected}, got ${got}`, at);
  }
}

const escapes: ReadonlyMap<number, string> = new Map([
  [34, '"'],
  [92, '\\'],
  [110, '\n'],
  [114, '\r'],
  [116, '\t'],
]);

function itself(text: string): string {
  return text;
}
