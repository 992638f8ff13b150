import assert from 'node:assert/strict';
import { it } from 'node:test';
import { lossTeller } from '../../cli/http/event-feed.ts';

it('a connection that is lost is told once for each reason', () => {
  const lines: string[] = [];
  const onLost = lossTeller((line) => lines.push(line));
  for (const reason of ['it ended', 'refused', 'refused', 'refused', 'it ended']) onLost(reason);
  assert.deepEqual(
    lines,
    ['it ended', 'refused', 'it ended'].map((reason) => `connection lost (${reason}); trying again`),
  );
});
