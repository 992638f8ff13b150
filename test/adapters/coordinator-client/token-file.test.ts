import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openTokenFile } from '../../../adapters/coordinator-client/token-file.ts';
import { temporaryFolder } from '../../support/agent-harness.ts';

test('a token file is read again when it is asked for, and what is no token changes nothing', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'token');
  const write = (text: string) => writeFile(file, text, { mode: 0o600 });
  await write('drover_1_a\n');
  const token = await openTokenFile(file);
  assert.deepEqual([token.current, await token.refresh()], ['drover_1_a', false]);
  await write('drover_2_b\n');
  assert.deepEqual([await token.refresh(), token.current, await token.refresh()], [true, 'drover_2_b', false]);
  for (const text of ['', '\n', 'two words', 'b\u0000d', '\u202etoken']) {
    await write(text);
    assert.deepEqual([await token.refresh(), token.current], [false, 'drover_2_b'], JSON.stringify(text));
  }
  await rm(file);
  assert.deepEqual([await token.refresh(), token.current], [false, 'drover_2_b']);
});

test('a token file that has no token is refused, saying what is wrong with it', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'token');
  await assert.rejects(openTokenFile(file), {
    code: 'ENOENT',
    message:
      /^expected the file with this agent's token \(--token-file\) at .*token, there is none; 'drover agents add/,
  });
  await writeFile(file, ' \n', { mode: 0o600 });
  await assert.rejects(openTokenFile(file), {
    code: 'token-unreadable',
    message: /expected one token, got an empty file/,
  });
});

test('a pipe is read once, and never again', async () => {
  await using folder = await temporaryFolder();
  const pipe = join(folder.path, 'pipe');
  execFileSync('mkfifo', ['-m', '600', pipe]);
  const [token] = await Promise.all([openTokenFile(pipe), writeFile(pipe, 'drover_1_a\n')]);
  assert.deepEqual([token.current, await token.refresh()], ['drover_1_a', false]);
});
