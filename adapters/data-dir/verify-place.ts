import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import * as z from 'zod';
import type { VerifyPlace, VerifyPlaceStore } from '../../coordinator/ports/verify-place.ts';

const placeSchema = z.object({
  begun: z.int().min(0),
  after: z.string().exactOptional(),
  checked: z.int().min(0),
  wrong: z.int().min(0),
  ended: z.int().min(0).exactOptional(),
});

/** Keeps the place in a file, which is not synced: one that is lost or cut makes a verification begin anew. */
export function openVerifyPlace(file: string, onError: (error: unknown) => void): VerifyPlaceStore {
  let writing = Promise.resolve();
  return {
    read(): VerifyPlace | undefined {
      try {
        return placeSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
      } catch {
        return undefined;
      }
    },
    write(place) {
      writing = writing
        .then(async () => {
          await writeFile(`${file}.tmp`, `${JSON.stringify(place)}\n`, { mode: 0o600 });
          await rename(`${file}.tmp`, file);
        })
        .catch(onError);
      return writing;
    },
  };
}
