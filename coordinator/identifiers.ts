/** Crockford's base 32, lower case: no letter that is mistaken for a digit. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** Five bits of each byte as one character. */
export function randomId(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => alphabet[byte & 31]).join('');
}

/** Sixteen characters: nine of time, so that ids sort by age, and seven of randomness (35 bits a millisecond). */
export function timeId(now: number, bytes: Uint8Array): string {
  let time = '';
  for (let rest = now; time.length < 9; rest = Math.floor(rest / 32)) time = alphabet[rest % 32] + time;
  return time + randomId(bytes.subarray(0, 7));
}
