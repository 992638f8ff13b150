import { excerpt, FormatError } from './format-error.ts';

/**
 * Nix's base 32: digits and lower-case letters without e, o, u and t; the bits of the bytes in little-endian order,
 * written from the end. 20 bytes give 32 characters, 32 bytes give 52.
 */
const alphabet = '0123456789abcdfghijklmnpqrsvwxyz';

/** Value of each character code below 256, 255 for what is not in the alphabet. */
export const base32Values: Uint8Array = new Uint8Array(256).fill(255);
for (let value = 0; value < 32; value++) base32Values[alphabet.charCodeAt(value)] = value;

export function encodeNixBase32(bytes: Uint8Array): string {
  let text = '';
  for (let position = Math.ceil((bytes.length * 8) / 5) - 1; position >= 0; position--) {
    const bit = position * 5;
    const byte = bit >> 3;
    const shift = bit & 7;
    const value = ((bytes[byte] ?? 0) >> shift) | ((bytes[byte + 1] ?? 0) << (8 - shift));
    text += alphabet[value & 31];
  }
  return text;
}

/** Throws a {@link FormatError} where a character, the length or the unused bits are not what the encoder writes. */
export function decodeNixBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  if (Math.ceil((bytes.length * 8) / 5) !== text.length) {
    throw new FormatError('malformed-base32', `expected a length that whole bytes give, got ${text.length} characters`);
  }
  for (let position = 0; position < text.length; position++) {
    const index = text.length - 1 - position;
    const code = text.charCodeAt(index);
    const value = code < 256 ? (base32Values[code] as number) : 255;
    if (value === 255) {
      throw new FormatError(
        'malformed-base32',
        `expected one of ${alphabet}, got ${excerpt(text.charAt(index))}`,
        index,
      );
    }
    const bit = position * 5;
    const byte = bit >> 3;
    const wide = value << (bit & 7);
    bytes[byte] = (bytes[byte] ?? 0) | (wide & 255);
    const carry = wide >> 8;
    if (byte + 1 < bytes.length) bytes[byte + 1] = carry;
    else if (carry !== 0)
      throw new FormatError('malformed-base32', `expected zero in the unused bits, got ${carry}`, index);
  }
  return bytes;
}
