import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { errorCodes } from '../../coordinator/errors.ts';

const page = () => readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');

test('docs/errors.md lists exactly the codes of the registry', async () => {
  const listed = Array.from((await page()).matchAll(/^### (.+)$/gm), ([, code]) => code);
  assert.deepEqual(listed.toSorted(), Object.keys(errorCodes).toSorted());
});

test('each with its status, its title and what to do', async () => {
  const sections = (await page()).split(/^### /m).slice(1);
  for (const section of sections) {
    const [code = '', , text = ''] = section.split('\n');
    const [status, title] = errorCodes[code as keyof typeof errorCodes];
    const start = `HTTP ${status}. ${title}. `;
    assert.equal(text.slice(0, start.length), start, code);
    assert.ok(text.length > start.length + 10, `${code}: expected what to do`);
  }
});
