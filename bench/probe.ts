import { createHash } from 'node:crypto';

/** Pieces of work, of which the one that was disturbed least counts. */
const pieces = 7;

/** Numbers, of four bytes each: more than the caches of a processor hold. */
const memory = 1 << 24;
const looks = 200_000;

/**
 * What the processor takes, in milliseconds of its time, for what Drover does most: JSON, maps, small objects, and SHA-256, and looking at numbers
 * anywhere in memory, as a long queue is. Figures of two machines, or of one that is busy and one that is not, are compared by it.
 */
export function probeProcessor(): number {
  const numbers = new Int32Array(memory).fill(1);
  return Math.min(...Array.from({ length: pieces }, () => piece(numbers)));
}

function piece(numbers: Int32Array): number {
  const before = process.cpuUsage();
  const byName = new Map<string, { readonly n: number; readonly inputs: readonly string[] }>();
  for (let n = 0; n < 20_000; n++) {
    const text = JSON.stringify({ n, name: `derivation-${n}`, inputs: [`a-${n % 97}`, `b-${n % 31}`] });
    const { name, ...rest } = JSON.parse(text);
    byName.set(name, rest);
  }
  const hash = createHash('sha256');
  const bytes = Buffer.alloc(1 << 20, byName.size);
  for (let n = 0; n < 20; n++) hash.update(bytes);
  hash.digest();
  // Where it looks next depends on what it finds, so that it waits for each.
  let at = 0;
  for (let n = 0; n < looks; n++) at = (Math.imul(at, 1664525) + (numbers[at] as number) + 1013904222) & (memory - 1);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
