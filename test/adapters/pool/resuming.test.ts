import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { on, once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import type { FinishedUpload, Pool } from '../../../coordinator/ports/pool.ts';
import { times } from '../../support/times.ts';
import { chunksOf, cutAfter, declarationOf, hashPartOf, narOf, noise, type Tree } from './nars.ts';
import { accepted, openPool, refusal, send, temporaryFolder, temporaryPool } from './pools.ts';

const part = hashPartOf('a');

const contents = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom('', `${part}`, 'x'.repeat(8), `in ${part}-a/bin`),
  fc.integer({ min: 1, max: 300_000 }).map((length) => noise(length)),
);
const name = fc.stringMatching(/^[a-zA-Z0-9_+-]{1,12}$/);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3 }, contents, fc.dictionary(name, tie('tree'), { maxKeys: 4 })),
}));
/** Where an upload is cut, as fractions of the file, and whether the pool is opened anew there. */
const cuts = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    reopen: fc.nat(3).map((number) => number === 0),
  }),
  {
    maxLength: 5,
  },
);

describe('an upload that was cut', () => {
  it('before its first byte is still there after a restart, and nothing of it was lost where a byte was acknowledged', async () => {
    await using folder = await temporaryFolder();
    const nar = await narOf(noise(1_000));
    const first = await openPool(folder.path);
    const { id } = accepted(await first.begin('sender', declarationOf(nar)));
    await first[Symbol.asyncDispose]();
    const second = await openPool(folder.path);
    assert.equal((await second.status(id, 'sender'))?.offset, 0);
    assert.equal(accepted(await second.write(id, 'sender', 0, chunksOf(nar.subarray(0, 400)))).offset, 400);
    await rm(join(folder.path, 'uploads', id, 'part'));
    await second[Symbol.asyncDispose]();
    await using third = await openPool(folder.path);
    assert.equal((await third.status(id, 'sender'))?.offset, 0);
    assert.equal(accepted(await send(third, declarationOf(nar), nar)).finished, true);
  });

  it('comes to the same as one that was not', async () => {
    await using whole = await temporaryPool();
    await using pieces = await reopenablePool();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        tree,
        cuts,
        fc.boolean(),
        fc.integer({ min: 1, max: 9_000 }),
        async (tree, cuts, zstd, chunk) => {
          const nar = await narOf(tree);
          const file = zstd ? zstdCompressSync(nar) : nar;
          const references = nar.includes(part) ? [`${part}-a`] : [];
          const declaration = declarationOf(nar, file, { references });
          // An owner of its own: the same tree may come twice.
          const owner = `owner ${round++}`;
          const { id } = accepted(await send(whole.pool, declaration, file, [part], owner));
          const expected = await whole.pool.finished(id, owner);
          // Byte by byte only where that is not a hundred thousand times.
          const finished = await sendInPieces(
            pieces,
            owner,
            declaration,
            file,
            cuts,
            Math.max(chunk, Math.ceil(file.length / 2000)),
          );
          assert.deepEqual({ ...finished, id: '' }, { ...expected, id: '' });
        },
      ),
      { numRuns: 25 * times },
    );
  });

  for (const [compression, size] of [
    ['none', 1_200_000],
    ['zstd', 1_200_000],
  ] as const) {
    it(`goes on at any kind of offset (${compression})`, async () => {
      const nar = await narOf({ a: noise(size), b: `${part}-a` });
      const file = compression === 'zstd' ? zstdCompressSync(nar) : nar;
      const declaration = declarationOf(nar, file, { references: [`${part}-a`] });
      const slab = 512 * 1024;
      await using pool = await reopenablePool();
      for (const at of [0, 1, 7, 8, 100, slab - 1, slab, slab + 1, file.length - 40, file.length - 1]) {
        for (const reopen of [false, true]) {
          const cuts = [{ at: at / (file.length - 1), reopen }];
          const finished = await sendInPieces(pool, `at ${at}, ${reopen}`, declaration, file, cuts, 65_536);
          assert.equal(finished?.item.narHash, declaration.narHash);
        }
      }
    });
  }

  it('and is wrong is refused all the same', async () => {
    const nar = await narOf({ a: noise(100_000), b: `${part}-a` });
    const file = zstdCompressSync(nar);
    await using folder = await temporaryFolder();
    const first = await openPool(folder.path);
    const { id } = accepted(await first.begin('sender', declarationOf(nar, file), [part]));
    accepted(await first.write(id, 'sender', 0, cutAfter(file.subarray(0, 50_000))));
    await first[Symbol.asyncDispose]();
    await using second = await openPool(folder.path);
    const outcome = await second.write(id, 'sender', 50_000, chunksOf(file.subarray(50_000)));
    assert.equal(refusal(outcome).code, 'wrong-references');
    assert.equal(await second.status(id, 'sender'), undefined);
  });

  it('by a kill -9 goes on where it was acknowledged, or later', async () => {
    await using folder = await temporaryFolder();
    const program = fileURLToPath(new URL('./uploader-process.ts', import.meta.url));
    const child = fork(program, [folder.path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    let acknowledged = 0;
    for await (const [message] of on(child, 'message') as AsyncIterable<[{ offset?: number; hanging?: boolean }]>) {
      if (message.hanging === true) break;
      acknowledged = message.offset ?? acknowledged;
    }
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    assert.equal(acknowledged, 600_000);
    const nar = await narOf(noise(2_000_000));
    await using pool = await openPool(folder.path);
    const { id, offset } = accepted(await pool.begin('sender', declarationOf(nar)));
    assert.ok(offset >= acknowledged, `expected at least ${acknowledged}, got ${offset}`);
    assert.equal(accepted(await pool.write(id, 'sender', offset, chunksOf(nar.subarray(offset)))).finished, true);
  });
});

describe('a verifier that dies', () => {
  it('costs an upload nothing, and is replaced', async () => {
    const program = new URL('./dying-worker.ts', import.meta.url);
    await using folder = await temporaryFolder();
    const nar = await narOf(noise(10_000));
    const dying = await openPool(folder.path, { verifiers: { threads: 1, program } });
    const { id } = accepted(await dying.begin('sender', declarationOf(nar)));
    for (let round = 0; round < 2; round++) {
      const status = accepted(await dying.write(id, 'sender', 0, chunksOf(nar)));
      assert.deepEqual([status.offset, status.finished], [0, false]);
    }
    await dying[Symbol.asyncDispose]();
    await using pool = await openPool(folder.path);
    assert.equal(accepted(await pool.write(id, 'sender', 0, chunksOf(nar))).finished, true);
  });

  it('again and again at the same upload ends it', async () => {
    const program = new URL('./dying-worker.ts', import.meta.url);
    await using held = await temporaryPool({ verifiers: { threads: 1, program } });
    const nar = await narOf(noise(10_000));
    const { id } = accepted(await held.pool.begin('sender', declarationOf(nar)));
    accepted(await held.pool.write(id, 'sender', 0, chunksOf(nar)));
    accepted(await held.pool.write(id, 'sender', 0, chunksOf(nar)));
    assert.equal(refusal(await held.pool.write(id, 'sender', 0, chunksOf(nar))).code, 'malformed-nar');
    assert.equal(await held.pool.status(id, 'sender'), undefined);
  });
});

/** Many uploads at once, more than verifiers are kept for. */
it('uploads that take turns do not mix', async () => {
  await using held = await temporaryPool({ verifiers: { threads: 2 } });
  const nars = await Promise.all(Array.from({ length: 40 }, (_, index) => narOf(noise(5_000, `nar ${index}`))));
  const ids = await Promise.all(
    nars.map(async (nar) => accepted(await held.pool.begin('sender', declarationOf(nar))).id),
  );
  for (const [start, end] of [
    [0, 3_000],
    [3_000, undefined],
  ] as const) {
    await Promise.all(
      nars.map(async (nar, index) => {
        const body = chunksOf(nar.subarray(start, end));
        accepted(await held.pool.write(ids[index] as string, 'sender', start, body));
      }),
    );
  }
  for (const [index, nar] of nars.entries()) {
    const finished = await held.pool.finished(ids[index] as string, 'sender');
    assert.equal(finished?.item.narHash, declarationOf(nar).narHash);
  }
});

interface ReopenablePool extends AsyncDisposable {
  pool: Pool;
  reopen(): Promise<void>;
}

async function reopenablePool(): Promise<ReopenablePool> {
  const folder = await temporaryFolder();
  const held: ReopenablePool = {
    pool: await openPool(folder.path),
    async reopen() {
      await held.pool[Symbol.asyncDispose]();
      held.pool = await openPool(folder.path);
    },
    async [Symbol.asyncDispose]() {
      await held.pool[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  return held;
}

async function sendInPieces(
  held: ReopenablePool,
  owner: string,
  declaration: Parameters<Pool['begin']>[1],
  file: Uint8Array,
  cuts: readonly { at: number; reopen: boolean }[],
  chunk: number,
): Promise<FinishedUpload | undefined> {
  const { id } = accepted(await held.pool.begin(owner, declaration, [part]));
  const places = cuts.map(({ at, reopen }) => ({ at: Math.round(at * (file.length - 1)), reopen }));
  let offset = 0;
  for (const { at, reopen } of places.sort((a, b) => a.at - b.at)) {
    const status = accepted(await held.pool.write(id, owner, offset, cutAfter(file.subarray(offset, at), chunk)));
    assert.equal(status.offset, at);
    offset = at;
    if (reopen) await held.reopen();
    assert.equal((await held.pool.status(id, owner))?.offset, at);
  }
  accepted(await held.pool.write(id, owner, offset, chunksOf(file.subarray(offset), chunk)));
  return held.pool.finished(id, owner);
}
