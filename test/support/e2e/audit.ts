import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { run as runCli } from '../../cli/support/run-cli.ts';
import type { Farm } from './farm.ts';

/**
 * Everything known is derived from the log (I3): stops the farm, folds the log anew, throws the views away, starts
 * again, and expects the same lists, figures and reasons, and the same state at the second fold. Agents have to be gone.
 */
export async function auditReplay(farm: Farm): Promise<void> {
  const before = await look(farm);
  await farm.kill9();
  const verified = await runCli(['events', 'verify', '--data', farm.data]);
  assert.equal(verified.code, 0, verified.out + verified.err);
  const folded = await farm.replay();
  const counts = JSON.parse(folded.at(-1)?.slice('counts '.length) ?? '{}');
  const { blocked, deferred, waiting, ready, backoff, ...others } = before.status.builds;
  assert.deepEqual(counts, { queued: blocked + deferred + waiting + ready + backoff, ...others });
  assert.equal(folded.filter((line) => /^item .*[^l]$/.test(line)).length, before.status.items);
  assert.ok(folded.some((line) => line.startsWith('build ')));

  for (const ending of ['', '-wal', '-shm']) rmSync(join(farm.data, `views.db${ending}`), { force: true });
  await farm.start();
  assert.deepEqual(await look(farm), before);
  await farm.kill9();
  assert.deepEqual((await farm.replay()).filter(isLasting), folded.filter(isLasting));
}

/** Agents' leases are set anew by each start. */
function isLasting(line: string): boolean {
  return !line.startsWith('agent ');
}

async function look(farm: Farm) {
  const list = async (path: string) => {
    const { status, body } = await farm.request('GET', `${path}?limit=1000`);
    assert.equal(status, 200);
    return body.rows as { id: string; state?: string }[];
  };
  const [builds, items, submissions] = [
    await list('/v1/builds'),
    await list('/v1/items'),
    await list('/v1/submissions'),
  ];
  const details = [];
  for (const { id, state } of builds) {
    // Of these there may be hundreds, and the list says it all.
    if (state === 'canceled') continue;
    details.push(
      (await farm.request('GET', `/v1/builds/${id}`)).body,
      (await farm.request('GET', `/v1/builds/${id}/why`)).body,
    );
  }
  const { builds: counts, ready, derivations, items: held } = (await farm.request('GET', '/v1/status')).body;
  return { builds, items, submissions, details, status: { builds: counts, ready, derivations, items: held } };
}
