import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { it } from 'node:test';
import { openDerivationSource } from '../../../cli/submit/derivation-source.ts';
import { findGuixWanted, type GuixContext } from '../../../cli/submit/guix-wanted.ts';
import { findWanted } from '../../../cli/submit/wanted.ts';

/** More than a call takes as arguments. */
const lines = 140_000;

it('takes as many derivations on standard input as there are, of Nix and of Guix', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-long-list-'));
  try {
    const name = `${'a'.repeat(32)}-x.drv`;
    await writeFile(join(folder, name), '');
    const { signal } = new AbortController();
    for (const storeDir of ['/nix/store', '/gnu/store']) {
      const local = openDerivationSource({ storeDir, folder });
      const io = { stdin: Readable.from([Buffer.from(`${storeDir}/${name}\n`.repeat(lines))]), err: assert.fail };
      const { requested } =
        storeDir === '/nix/store'
          ? await findWanted(['-'], {}, local, io, signal)
          : // Of a list, nothing is asked nor told.
            await findGuixWanted(['-'], { guix: true }, { local, io, signal } as unknown as GuixContext);
      assert.deepEqual(requested, [{ derivation: name }]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
