/** Crockford's base 32, lower case: no letter that is mistaken for a digit. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** Five bits of each byte as one character. */
export function randomId(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += alphabet[byte & 31];
  return text;
}

/** Many of `length` characters, which are no secrets: randomness comes from the system for a few hundred at a time, as a call for each takes longer than all else. */
export function createRandomIds(random: (bytes: number) => Uint8Array, length: number): () => string {
  let bytes = random(0);
  let at = 0;
  return () => {
    if (at + length > bytes.length) [bytes, at] = [random(256 * length), 0];
    at += length;
    return randomId(bytes.subarray(at - length, at));
  };
}

/** Sixteen characters: nine of time, so that ids sort by age, and seven of randomness (35 bits a millisecond). */
export function timeId(now: number, bytes: Uint8Array): string {
  let time = '';
  for (let rest = now; time.length < 9; rest = Math.floor(rest / 32)) time = alphabet[rest % 32] + time;
  return time + randomId(bytes.subarray(0, 7));
}
