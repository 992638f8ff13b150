import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startProcess } from '../support/e2e/process.ts';

const runner = fileURLToPath(new URL('../../scripts/test.ts', import.meta.url));

/** `npm test` of one file that holds `body`, with short limits. */
async function run(context: TestContext, body: string, limits: Record<string, string>) {
  const dir = mkdtempSync(join(tmpdir(), 'drover-test-guard-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'hanging.test.mjs');
  writeFileSync(file, `import { test } from 'node:test';\n${body}`);
  const running = startProcess(process.execPath, [runner, file], { env: limits });
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
});
