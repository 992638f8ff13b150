import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { copyLog } from '../../coordinator/log-copy.ts';
import { harness } from '../adapters/http/harness.ts';
import { derivation, drvPath } from '../support/coordinator.ts';
import { secretOfScope } from '../support/fake-application.ts';
import { openWorkedFarm } from '../support/worked-farm.ts';
import { run } from './support/run-cli.ts';

/** A farm with some history, and what it answered at three moments of it. */
async function history() {
  const farm = await openWorkedFarm([derivation(1), derivation(2, [1]), derivation(3, [2])]);
  const moments: { position: string; status: object; why: object }[] = [];
  const remember = async (build: string) => {
    await farm.application.settled();
    const { builds, ready, derivations, items, agents, position } = farm.application.status();
    const why = farm.application.why(build);
    moments.push({ position: position as string, status: { builds, ready, derivations, items, agents }, why });
  };
  const { submission } = await farm.wish([drvPath(3)]);
  const root = farm.farm.queue.buildsOf(submission).find(({ drv }) => farm.farm.graph.drvPath(drv) === drvPath(3));
  const id = `${submission}-${root?.number}`;
  await remember(id);
  await farm.work();
  await remember(id);
  return { farm, id, moments };
}

describe('drover replay', () => {
  it('shows of a log in a file, in the hands of another too, what was known then', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drover-replay-'));
    try {
      const { farm, id, moments } = await history();
      await using log = await openSqliteEventStore({ dir: folder });
      await copyLog(farm.store, log, {});
      const positions = new Map<string, string>();
      for await (const { events } of log.readAll())
        for (const event of events) positions.set(event.commit, event.position);
      // The copy has positions of its own.
      const there = new Map<string, string>();
      for await (const { events } of farm.store.readAll())
        for (const event of events) there.set(event.position, positions.get(event.commit) as string);
      assert.notDeepEqual(moments[0]?.status, moments[1]?.status);
      for (const { position, status, why } of moments) {
        const until = ['--until', there.get(position) as string, '--data', folder, '--json'];
        const then = await run(['replay', 'status', ...until]);
        assert.equal(then.code, 0, then.err);
        const { time: _, position: at, ...figures } = JSON.parse(then.out);
        assert.equal(at, there.get(position));
        assert.deepEqual(figures, status);
        assert.deepEqual(JSON.parse((await run(['replay', 'why', id, ...until])).out), JSON.parse(JSON.stringify(why)));
      }
      const text = await run(['replay', 'status', '--data', folder]);
      assert.match(text.out, /^as of: +\d{4}-.*\n[\s\S]*succeeded: +3\n/);
      const before = await run(['replay', 'why', id, '--data', folder, '--until', '1969-12-31']);
      assert.equal(before.code, 2, before.out);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reads the log of a running coordinator, and says what cannot be', async () => {
    const { farm, id, moments } = await history();
    await using server = await harness({ eventStore: farm.store });
    const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
    const replay = (...args: string[]) => run(['replay', ...args, '--url', url, '--token', secretOfScope('read')]);
    const [first] = moments as [(typeof moments)[number]];
    const then = await replay('status', '--until', first.position, '--json');
    const { time: _, position: __, ...figures } = JSON.parse(then.out);
    assert.deepEqual(figures, first.status);
    assert.match((await replay('why', id, '--until', first.position)).out, /^Waits for /);
    for (const [args, code, words] of [
      [['why'], 2, /expected a build after why/],
      [['status', id], 2, /expected nothing after status/],
      [['why', 'nobody-1'], 1, /there was no build nobody-1/],
      [['status', '--data', '/x', '--store', 'sqlite:/y'], 2, /one of --data and --store/],
      [['status', '--data', '/nonexistent'], 1, /nonexistent/],
      [['weather'], 2, /status, why/],
    ] as const) {
      const refused = await replay(...args);
      assert.equal(refused.code, code, refused.err);
      assert.match(refused.err, words);
    }
  });
});
