import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { unhandledMessage } from '../../../cli/output/last-words.ts';

const module = fileURLToPath(new URL('../../../cli/output/last-words.ts', import.meta.url));

for (const [origin, fault] of [
  ['unhandledRejection', 'Promise.reject(new Error("lost"))'],
  ['uncaughtException', 'setImmediate(() => { throw new Error("lost") })'],
] as const) {
  test(`${origin}: one fatal line with the stack, and exit code 1`, () => {
    const program = `
      import { pino } from 'pino';
      import { endWhenUnhandled } from ${JSON.stringify(module)};
      endWhenUnhandled(pino({}, { write: (line) => process.stderr.write(line) }));
      setInterval(() => {}, 1000);
      ${fault};`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    });
    assert.equal(status, 1, stderr);
    const { level, msg, err, origin: came } = JSON.parse(stderr);
    assert.deepEqual([level, msg, came, err.message], [60, unhandledMessage, origin, 'lost']);
    assert.match(err.stack, /at /);
  });
}
