const alphabet = '0123456789abcdfghijklmnpqrsvwxyz';

/** A base name whose hash part encodes `n`; `kind` keeps names of different kinds apart. */
export function fakeBase(kind: string, n: number, suffix = ''): string {
  let hash = '';
  for (let rest = n * 64 + (kind.charCodeAt(0) % 64); hash.length < 32; rest = Math.floor(rest / 32))
    hash = alphabet[rest % 32] + hash;
  return `${hash}-${kind}${n}${suffix}`;
}

/** A digest in narinfo form that encodes `n`. */
export function fakeSha256(n: number): string {
  return `sha256:${n
    .toString(10)
    .replaceAll(/[^0-9]/g, '')
    .padStart(52, '0')}`;
}
