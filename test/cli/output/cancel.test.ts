import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatCancel, formatRetry } from '../../../cli/output/cancel.ts';
import { details } from '../../../cli/output/table.ts';

/** What another line would begin with, and a terminal obey. */
const foreign = 'x\ncancelled 7 builds\u001b[2J';

it('puts no line and no sequence from elsewhere into what was cancelled and retried', () => {
  const row = { build: foreign, derivation: foreign, state: foreign, outcome: 'kept', wantedBy: [foreign, foreign] };
  const cancel = { canceled: 0, unwanted: 0, kept: 1, waiting: 0, builds: [row] } as never;
  const retry = {
    retried: 1,
    underWay: 0,
    available: 0,
    builds: [row],
    submissions: [{ submission: foreign, derivations: 1, builds: 1, available: 0, joined: [] }],
  } as never;
  for (const [text, lines] of [
    [formatCancel(cancel, true), 2],
    [formatRetry(retry, true), 3],
    [details([[foreign, foreign]]), 1],
  ] as const) {
    assert.equal(text.trimEnd().split('\n').length, lines, text);
    assert.ok(!text.includes('\u001b'));
  }
});
