import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { why } from '../../adapters/http/schemas/why.ts';
import { errorCodes } from '../../coordinator/errors.ts';
import { standings } from '../../domain/build/standing.ts';
import { blockingCauses } from '../../projections/blocked.ts';
import { obstacleCodes } from '../../projections/obstacles.ts';
import { inputStates, whyReasons } from '../../projections/why.ts';

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

test('docs/why.md says of exactly the codes that there are what they mean and what ends them', async () => {
  const sections = (await readFile(new URL('../../docs/why.md', import.meta.url), 'utf8')).split(/^## /m).slice(1);
  const expected = {
    reason: whyReasons,
    standing: standings,
    'blockers[].state': blockingCauses,
    'inputs[].state': inputStates,
    'agents[].code': obstacleCodes,
  };
  const titles = sections.map((section) => section.match(/^[^\n]*`(.+)`\n/)?.[1]);
  assert.deepEqual(titles, Object.keys(expected));
  for (const [index, codes] of Object.values(expected).entries()) {
    const rows = (sections[index] as string).split('\n').filter((line) => line.startsWith('| `'));
    const listed = rows.flatMap((row) =>
      Array.from((row.split(' | ')[0] as string).matchAll(/`(.+?)`/g), ([, code]) => code),
    );
    assert.deepEqual(listed.toSorted(), codes.toSorted(), titles[index]);
    for (const row of rows) assert.match(row, /^\| \S[^|]* \| [^|]{8,} \| ([^|]{5,}| ?)\| /, row);
  }
  const { options } = why as unknown as { options: { shape: { reason: { value: string } } }[] };
  assert.deepEqual(options.map(({ shape }) => shape.reason.value).toSorted(), whyReasons.toSorted());
});
