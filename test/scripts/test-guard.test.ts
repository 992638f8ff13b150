import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startProcess } from '../support/e2e/process.ts';

const runner = fileURLToPath(new URL('../../scripts/test.ts', import.meta.url));

/** `npm test` of one file that holds `body`, with short limits, and of as many beside it that are fine. */
async function run(context: TestContext, body: string, limits: Record<string, string>, fine = 0) {
  const dir = mkdtempSync(join(tmpdir(), 'drover-test-guard-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'hanging.test.mjs');
  writeFileSync(file, `import { test } from 'node:test';\n${body}`);
  const others = Array.from({ length: fine }, (_, n) => join(dir, `others-${n}.test.mjs`));
  for (const other of others) writeFileSync(other, `import { test } from 'node:test';\ntest('fine', () => {});`);
  const running = startProcess(process.execPath, [runner, file, ...others], { env: limits });
  return { ...(await running.exited), said: running.said() };
}

describe('scripts/test.ts', { concurrency: true }, () => {
  it('ends a file that computes without end, and says where', async (context) => {
    const { code, said } = await run(context, `test('spins', function spin() { for (;;); });`, {
      DROVER_TEST_BLOCKED_SECONDS: '2',
    });
    assert.equal(code, 1, said);
    assert.match(
      said,
      /hanging\.test\.mjs stood still for 2 s, and is ended\.\n.*in "spins"\n.*at .*spin \(.*hanging/s,
    );
  });

  it('ends one that waits for a process without end, and that process', async (context) => {
    const body = `import { spawnSync } from 'node:child_process';
      test('waits', () => spawnSync(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' }));`;
    const { code, said } = await run(context, body, { DROVER_TEST_BLOCKED_SECONDS: '2' });
    assert.equal(code, 1, said);
    const ended = /stood still for 2 s, and is ended\.\n.*in "waits"\n.*with process (\d+): .*setInterval/s.exec(said);
    assert.ok(ended, said);
    // Ended, whether or not anybody has asked for its status yet.
    const there = existsSync(`/proc/${ended[1]}`) && readFileSync(`/proc/${ended[1]}/cmdline`, 'utf8');
    assert.ok(!there, there || said);
  });

  it('ends one that has done its tests and does not end, and says what keeps it', async (context) => {
    const body = `test('fine', () => {}); setInterval(() => {}, 1000);`;
    const { code, said } = await run(context, body, { DROVER_TEST_FILE_SECONDS: '3' });
    assert.equal(code, 1, said);
    assert.match(said, /hanging\.test\.mjs did not end in 3 s, and is ended\.\n.*kept by .*Timeout/s);
  });

  describe('with files that share a process', { concurrency: true }, () => {
    const fine = 9;

    it('runs each as a suite, and counts all tests', async (context) => {
      const body = `import { after, describe } from 'node:test';
        after(() => console.log('only once'));
        describe('some', () => { test('wrong', () => { throw new Error('this one'); }); test('skipped', { skip: 'no such thing' }, () => {}); });
        test('throws later', () => new Promise(() => setTimeout(() => { throw new Error('nobody catches this'); })));
        test('rejects later', () => new Promise(() => setImmediate(async () => { throw new Error('nor this'); })));`;
      const { code, said } = await run(context, body, {}, fine);
      assert.equal(code, 1, said);
      assert.match(said, /tests 13\n.*pass 9\n.*fail 3\n.*skipped 1\n.*failing tests:\n.*wrong .*this one/s);
      // Whoever has made what went wrong later has failed, and the next goes on.
      assert.match(said, /failing tests:.*throws later .*nobody catches this.*rejects later .*nor this/s);
      assert.match(said, /skipped .*# no such thing/);
      assert.equal(said.match(/^only once$/gm)?.length, 1, said);
      assert.match(said, /hanging\.test\.mjs/);
    });

    it('ends a file that computes without end, and says where, and what is not done for it', async (context) => {
      const limits = { DROVER_TEST_BLOCKED_SECONDS: '2' };
      const { code, said } = await run(context, `test('spins', function spin() { for (;;); });`, limits, fine);
      assert.equal(code, 1, said);
      assert.match(
        said,
        /hanging\.test\.mjs stood still for 2 s, and is ended\.\n.*in "spins"\n.*at .*spin \(.*with .*others-8\.test\.mjs, which is not done/s,
      );
    });

    it('names what does not load, and what another one ends', async (context) => {
      const missing = await run(context, `import './nowhere.mjs';`, {}, fine);
      assert.equal(missing.code, 1, missing.said);
      assert.match(missing.said, /pass 9\n.*fail 1\n.*is loaded .*nowhere\.mjs/s);
      const left = await run(context, `test('leaves', () => process['exit'](0));`, {}, fine);
      assert.equal(left.code, 1, left.said);
      assert.match(left.said, /ended, with 0, before the end of .*hanging\.test\.mjs/);
    });
  });
});
