/**
 * A store format (derivation, NAR, narinfo, path, key …) that is not well-formed.
 *
 * Thrown by every parser and writer of this folder. `code` is stable and meant for programs; the message says what
 * was expected, what was found and where.
 */
export class FormatError extends Error {
  readonly code: string;
  /** Byte offset in the parsed text or stream, where that makes sense. */
  readonly offset?: number;

  constructor(code: string, message: string, offset?: number) {
    super(offset === undefined ? message : `${message} at byte ${offset}`);
    this.name = 'FormatError';
    this.code = code;
    if (offset !== undefined) this.offset = offset;
  }
}

/** A readable, bounded excerpt of `text` for an error message; control and non-ASCII characters are escaped. */
export function excerpt(text: string, limit = 60): string {
  const shown = JSON.stringify(text.length > limit ? text.slice(0, limit) : text);
  const ascii = shown.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return text.length > limit ? `${ascii}…` : ascii;
}
