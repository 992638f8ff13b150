import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { readChain } from '../../../coordinator/audit/chain.ts';
import { createVerifier } from '../../../coordinator/audit/verifier.ts';
import type { StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { commitOf, stored } from '../../contract/commits.ts';

const script = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));

/** Runs the writer, kills it after so many acknowledgements, and gives back all that it printed. */
async function killedAfter(dir: string, round: number, acknowledgements: number): Promise<string[]> {
  const child = spawn(process.execPath, [script, dir, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    if (lines.length === acknowledgements) child.kill('SIGKILL');
  }
  assert.deepEqual((await exited)[1], 'SIGKILL');
  return lines;
}

it('kill -9 in the middle of appends and of packing, 5 times: nothing acknowledged is lost, nothing is there in part, the chain goes on', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'drover-crash-'));
  const acknowledged: string[] = [];
  try {
    for (let round = 0; round < 5; round++) {
      acknowledged.push(...(await killedAfter(dir, round, 1 + round * 250)));
      await using store = await openSqliteEventStore({ dir });
      const events: StoredEvent[] = [];
      const chain = readChain();
      const verifier = createVerifier({ keys: [], held: [] });
      for await (const batch of store.readAll({ json: 'beside' })) events.push(...batch.events);
      for (const event of events) {
        chain.add(event);
        verifier.add(event);
      }
      const { fault, linkedFrom } = verifier.end();
      assert.deepEqual({ fault, linkedFrom }, { fault: undefined, linkedFrom: events[0]?.position });
      store.link?.(chain.end());
      const heads = new Map<string, number>();
      const last = new Map<string, string>();
      const sizes = new Map<string, number>();
      for (const [at, { stream, revision, position, commit }] of events.entries()) {
        assert.equal(Number(position), at + 1, 'no hole in the log');
        assert.equal(revision, (heads.get(stream) ?? -1) + 1, 'no hole in a stream');
        heads.set(stream, revision);
        last.set(commit, `${stream} ${revision} ${position} ${commit}`);
        sizes.set(commit, (sizes.get(commit) ?? 0) + 1);
      }
      for (const line of acknowledged) assert.equal(last.get(line.split(' ')[3] ?? ''), line);
      for (const [commit, size] of sizes)
        if (commit.includes('-'))
          assert.ok(!/^\d/.test(commit) || size === 1 + (Number(commit.split('-')[2]) % 3), `all of ${commit}`);
      // What was stored without being acknowledged is found when it is sent again; the streams go on from their heads.
      const [commit = ''] = [...sizes.keys()].filter((id) => /^\d/.test(id)).slice(-1);
      const [stream = '', revision, position] = last.get(commit)?.split(' ') ?? [];
      const again = await store.append(commitOf(stream, 'none', [0], commit));
      assert.deepEqual(again, { ok: true, revision: Number(revision), position, replayed: true });
      stored(await store.append(commitOf(stream, heads.get(stream) ?? 'none', [round], `after ${round}`)));
    }
    using db = new DatabaseSync(join(dir, 'events.db'), { readOnly: true });
    const { packed, rows } = db
      .prepare('SELECT (SELECT max(last) FROM blocks) AS packed, (SELECT min(position) FROM events) AS rows')
      .get() as { packed: number; rows: number };
    assert.ok(packed > 100 && rows === packed + 1, `packed to ${packed}, rows from ${rows}`);
  } finally {
    await rm(dir, { recursive: true });
  }
});
