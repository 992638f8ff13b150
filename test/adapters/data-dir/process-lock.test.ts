import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { processLockHolder, takeProcessLock } from '../../../adapters/data-dir/process-lock.ts';
import { temporaryFolder } from '../../support/nix-tools.ts';

/** Looks at the lock without a pause, until it is told to stop; says when it has begun. */
const looker = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.module).then(({ processLockHolder }) => {
    let looks = 0;
    const look = () => {
      for (let n = 0; n < 50; n++) processLockHolder(workerData.files);
      if (looks++ === 0) parentPort.postMessage('begun');
      setImmediate(look);
    };
    look();
  });
`;

it('a lock is taken also while others look whether somebody has it', async () => {
  await using folder = await temporaryFolder();
  const files = { lock: join(folder.path, 'lock'), holder: join(folder.path, 'holder') };
  const take = (): void => {
    const lock = takeProcessLock(files, 'us');
    assert.ok(Symbol.dispose in lock, 'nobody has it');
    assert.equal(processLockHolder(files), 'us');
    assert.deepEqual(takeProcessLock(files, 'others'), { heldBy: 'us' });
    lock[Symbol.dispose]();
  };
  take();
  const module = new URL('../../../adapters/data-dir/process-lock.ts', import.meta.url).href;
  const worker = new Worker(looker, { eval: true, workerData: { module, files } });
  try {
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    for (let n = 0; n < 50; n++) {
      const lock = takeProcessLock(files, 'us');
      assert.ok(Symbol.dispose in lock, `taken ${n} times`);
      lock[Symbol.dispose]();
    }
  } finally {
    await worker.terminate();
  }
  assert.equal(processLockHolder(files), undefined);
});
