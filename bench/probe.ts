import { createHash } from 'node:crypto';

/** Pieces of work, of which the one that was disturbed least counts. */
const pieces = 7;

/**
 * What the processor takes, in milliseconds of its time, for what Drover does most: JSON, maps, small objects, and SHA-256. Figures of two machines,
 * or of one that is busy and one that is not, are compared by it.
 */
export function probeProcessor(): number {
  return Math.min(...Array.from({ length: pieces }, piece));
}

function piece(): number {
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
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
