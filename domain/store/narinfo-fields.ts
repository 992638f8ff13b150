import { excerpt, FormatError } from './format-error.ts';

/** A narinfo, of Nix or of Guix, that is not well-formed. */
export function malformedNarinfo(message: string, offset?: number): FormatError {
  return new FormatError('malformed-narinfo', message, offset);
}

/** A number of bytes in the field `key`. */
export function bytesIn(key: string, text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value))
    throw malformedNarinfo(`expected a number of bytes in ${key}, got ${excerpt(text)}`);
  return value;
}

/** Runs a parser and says in which field it failed. */
export function inField<Value>(key: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw malformedNarinfo(`${key}: ${error.message}`);
  }
}
