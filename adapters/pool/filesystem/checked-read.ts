import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline, type Readable, Transform } from 'node:stream';
import { FileDamaged } from '../../../coordinator/ports/pool.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';

export const readSize: number = 256 * 1024;

/**
 * A whole file, hashed while it is read. Its last bytes are held back until the hash is known: where it is another than `hash`
 * says, the stream fails with {@link FileDamaged} instead of ending, so that no reader takes it for whole.
 *
 * @param sound called where the hash is right.
 */
export function checkedRead(path: string, size: number, hash: string, sound: () => void): Readable {
  const digest = createHash('sha256');
  let held: Buffer | undefined;
  const check = new Transform({
    highWaterMark: readSize,
    transform(chunk: Buffer, _encoding, done) {
      digest.update(chunk);
      const ready = held;
      held = chunk;
      done(null, ready);
    },
    flush(done) {
      const got = `sha256:${encodeNixBase32(digest.digest())}`;
      if (got !== hash) return done(new FileDamaged(`expected a file with ${hash}, got ${got}`));
      sound();
      done(null, held);
    },
  });
  // What goes wrong shows in the stream that is given out.
  return pipeline(createReadStream(path, { end: size - 1, highWaterMark: readSize }), check, () => undefined);
}
