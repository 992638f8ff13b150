import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createShared, createWork, readWork } from '../../../adapters/watchdog/label.ts';
import { readStall, settleStall } from '../../../adapters/watchdog/stall-file.ts';
import { startProcess } from '../../support/e2e/process.ts';

const watchdog = new URL('../../../adapters/watchdog/watchdog.ts', import.meta.url).href;

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'drover-watchdog-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A process that is watched for a second of processor time, and then does `body`. */
function watched(dir: string, body: string) {
  const program = `
    import { startWatchdog } from ${JSON.stringify(watchdog)};
    const dog = await startWatchdog({ seconds: 1, file: ${JSON.stringify(join(dir, 'stalled.json'))}, json: true, onFailure: console.error });
    ${body}
    await dog[Symbol.asyncDispose]();`;
  const file = join(dir, 'program.mjs');
  writeFileSync(file, program);
  return startProcess(process.execPath, [file]);
}

test('a loop without end is ended, with where and over what', async (context) => {
  const dir = folder(context);
  const spinning = watched(
    dir,
    `function round(n) { for (let i = 0; i < 1e5; i++) n += i; return n; }
    dog.work.at('submission', 's-1');
    for (let n = 0; ; ) n = round(n);`,
  );
  assert.deepEqual(await spinning.exited, { code: 70, signal: null }, spinning.said());
  const stall = JSON.parse(readFileSync(join(dir, 'stalled.json'), 'utf8'));
  assert.deepEqual(stall.work, { what: 'submission', name: 's-1' });
  assert.ok(
    stall.stack.some((frame: string) => frame.includes('program.mjs:')),
    stall.stack,
  );
  assert.match(spinning.said(), /"submission":"s-1".*stood still/);
  assert.deepEqual(await readStall(join(dir, 'stalled.json')), stall);
  await settleStall(join(dir, 'stalled.json'));
  assert.equal(await readStall(join(dir, 'stalled.json')), undefined);
});

test('one that computes much and answers in between is left alone, and one that waits', async (context) => {
  const dir = folder(context);
  const busy = watched(
    dir,
    `const spent = () => process.threadCpuUsage().user / 1e6;
    while (spent() < 2.5) {
      const until = spent() + 0.05;
      while (spent() < until);
      await new Promise((resolve) => setImmediate(resolve));
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);`,
  );
  assert.deepEqual(await busy.exited, { code: 0, signal: null }, busy.said());
});

test('a file of its that cannot be read says that there was something', async (context) => {
  const file = join(folder(context), 'stalled.json');
  writeFileSync(file, '{');
  assert.deepEqual(await readStall(file), { at: 0, seconds: 0, stack: [] });
});

test('what is worked at is forgotten when the event loop turns', async () => {
  const shared = createShared();
  const work = createWork(shared);
  assert.equal(readWork(shared), undefined);
  work.at('submission', 's-1');
  work.at('event', `build-${'x'.repeat(1000)}@1`);
  await Promise.resolve();
  assert.deepEqual(readWork(shared), { what: 'event', name: `build-${'x'.repeat(594)}` });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(readWork(shared), undefined);
});
