import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startProcess, takeUnhandled } from '../support/e2e/process.ts';

test('an end-to-end test hears of an error that nobody handles, in a command and in a server', async () => {
  const logger = `
    import { pino } from 'pino';
    import { endWhenUnhandled } from './cli/output/last-words.ts';
    endWhenUnhandled(pino(pino.destination({ sync: true })));`;
  const ends = async (code: string) => {
    await startProcess(process.execPath, ['--input-type=module', '--eval', code]).exited;
    return takeUnhandled();
  };
  assert.equal((await ends('process.exitCode = 1; console.error("an error that is handled")')).length, 0);
  assert.equal((await ends('Promise.reject(new Error("nobody handles it"))')).length, 1);
  assert.equal((await ends('Promise.reject("nor this")')).length, 1);
  assert.match((await ends(`${logger} Promise.reject(new Error('of a server'))`))[0] as string, /of a server/);
  assert.match(
    (await ends(`${logger} setTimeout(() => { throw new Error('in a callback'); })`))[0] as string,
    /in a callback/,
  );
});
