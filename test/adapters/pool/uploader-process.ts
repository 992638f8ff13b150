import { declarationOf, narOf, noise } from './nars.ts';
import { accepted, openPool } from './pools.ts';

/**
 * A coordinator to be killed: sends `noise` in parts of 300,000 bytes to the pool in the folder given, tells the offset
 * after each that was acknowledged, and hangs in the middle of the part after the second.
 */
const [dir = ''] = process.argv.slice(2);
const nar = await narOf(noise(2_000_000));
const pool = await openPool(dir);
const { id } = accepted(await pool.begin('sender', declarationOf(nar)));
const partSize = 300_000;
for (let offset = 0; ; offset += partSize) {
  const part = nar.subarray(offset, offset + partSize);
  const status = accepted(await pool.write(id, 'sender', offset, body(part, offset === 2 * partSize)));
  process.send?.({ offset: status.offset });
}

async function* body(part: Uint8Array, hang: boolean) {
  yield part;
  if (!hang) return;
  process.send?.({ hanging: true });
  await new Promise(() => undefined);
}
