import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  connectionsWithin,
  createOpenFilesWatch,
  type OpenFiles,
  parseOpenFiles,
} from '../../../adapters/runtime/open-files.ts';

const limits = (soft: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             96000                96000                processes \nMax open files            ${soft.padEnd(20)} 524288               files     \n`;

it('finds how many files may be open', () => {
  assert.equal(parseOpenFiles(limits('1024')), 1024);
  assert.equal(parseOpenFiles(limits('unlimited')), undefined);
  assert.equal(parseOpenFiles(''), undefined);
});

it('leaves files for what connections want, and for all else', () => {
  for (const files of [256, 1024, 65_536]) {
    const connections = connectionsWithin(files);
    assert.ok(connections >= 8 && 2 * connections + 128 <= files, `${connections} of ${files}`);
  }
  assert.equal(connectionsWithin(64), 8);
});

it('warns where hardly any are left, and where there is none to ask with', async () => {
  const none = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  const answers: [OpenFiles | Error, RegExp | undefined][] = [
    [{ open: 100, limit: 1024 }, undefined],
    [{ open: 1000, limit: 1024 }, /^1000 of 1024 file descriptors are open: /],
    [none, /^no file descriptors are left: /],
    [new Error('ENOENT: no /proc here'), undefined],
    [{ open: 100, limit: Number.POSITIVE_INFINITY }, undefined],
  ];
  let now = 0;
  let counted = 0;
  const watch = createOpenFilesWatch(
    () => now,
    async () => {
      const [answer] = answers[counted++] as [OpenFiles | Error, unknown];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  );
  for (const [index, [, expected]] of answers.entries()) {
    watch();
    await Promise.resolve().then(() => undefined);
    const said = watch();
    assert.equal(counted, index + 1, 'not counted again at once');
    if (expected === undefined) assert.equal(said, undefined);
    else assert.match(said ?? '', expected);
    now += 5000;
  }
});
