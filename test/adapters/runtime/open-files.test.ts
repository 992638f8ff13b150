import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connectionsWithin, parseOpenFiles } from '../../../adapters/runtime/open-files.ts';

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
