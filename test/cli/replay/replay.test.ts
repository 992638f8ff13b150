import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openEventStore } from '../../../adapters/event-store/open.ts';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { parseStoreAddress } from '../../../adapters/event-store/store-url.ts';
import { openSqliteViews } from '../../../adapters/views/sqlite/sqlite-views.ts';
import { withIsoTimes } from '../../../cli/output/iso-times.ts';
import { copyLog } from '../../../coordinator/log/log-copy.ts';
import { type HookDefinition, hookDefaults } from '../../../domain/hook/definition.ts';
import { harness } from '../../adapters/http/harness.ts';
import { admin, derivation, drvPath, outPath } from '../../support/coordinator.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { noNatsServer, startNatsServer } from '../../support/nats-server.ts';
import { openWorkedFarm } from '../../support/worked-farm.ts';
import { fakeCoordinator } from '../support/fake-coordinator.ts';
import { run, testNow } from '../support/run-cli.ts';

/** A farm with some history, and what it answered at three moments of it. */
async function history() {
  const farm = await openWorkedFarm([derivation(1), derivation(2, [1]), derivation(3, [2])]);
  const moments: { position: string; status: object; why: object }[] = [];
  const remember = async (build: string) => {
    await farm.application.settled();
    const { position, pendingCommits: _, uploads: __, ...figures } = farm.application.status();
    const why = await farm.application.why(build);
    moments.push({ position: position as string, status: figures, why });
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
    await using folder = await temporary();
    {
      const { farm, id, moments } = await history();
      await using log = await openSqliteEventStore({ dir: folder.path });
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
        const until = ['--until', there.get(position) as string, '--data', folder.path, '--json'];
        const then = await run(['replay', 'status', ...until]);
        assert.equal(then.code, 0, then.err);
        const { time: _, position: at, ...figures } = JSON.parse(then.out);
        assert.equal(at, there.get(position));
        assert.deepEqual(figures, status);
        assert.deepEqual(
          JSON.parse((await run(['replay', 'why', id, ...until])).out),
          withIsoTimes(JSON.parse(JSON.stringify(why))),
        );
      }
      const text = await run(['replay', 'status', '--data', folder.path]);
      assert.match(text.out, /succeeded: +3\n/);
      // By their beginnings too, where only one begins so.
      const named = (what: string, beginning: string) =>
        run(['replay', what, beginning, '--data', folder.path, '-o', 'name']);
      assert.equal((await named('item', outPath(2).slice(0, 32))).out, `${outPath(2)}\n`);
      const several = await named('why', id.slice(0, -1));
      assert.equal(several.code, 2);
      assert.match(several.err, new RegExp(`several builds begin \\(ambiguous-id\\)\n(.*\n)* {2}${id} `));
      const none = await named('build', 'nothing');
      assert.match(none.err, /there was no build nothing at /);
      const before = await run(['replay', 'why', id, '--data', folder.path, '--until', '1969-12-31']);
      assert.equal(before.code, 2, before.out);
    }
  });

  it('shows of a running coordinator what its live commands show, word by word', async () => {
    const { farm, id } = await history();
    // What the token may not see, hashes of tokens among it, changes nothing of the answers.
    await farm.application.steerAgent(admin, 'a', 'pause', 'a new disk');
    const { submission } = await farm.wish([drvPath(1)], { force: true });
    await using folder = await temporary();
    const feed = { kind: 'port', store: farm.store } as const;
    await using views = await openSqliteViews({ dir: folder.path, feed });
    await farm.application.settled();
    const { agents, position, status, why, standing, newestStanding } = farm.application;
    await using server = await harness({
      eventStore: farm.store,
      views,
      application: { agents, position, status, why, standing, newestStanding },
    });
    const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
    const at = ['--url', url, '--token', secretOfScope('read')];
    const now = new Date(testNow).toISOString();
    for (const [live, replayed] of [
      [['builds', 'list', '--state', 'queued', '--state', 'running', '--state', 'allocated'], ['queue']],
      [
        ['builds', 'list', '--state', 'succeeded', '--limit', '2'],
        ['queue', '--state', 'succeeded', '--limit', '2'],
      ],
      [
        ['builds', 'list', '--state', 'blocked'],
        ['queue', '--state', 'blocked'],
      ],
      [
        ['builds', 'show', id],
        ['build', id],
      ],
      [
        ['builds', 'why', id],
        ['why', id],
      ],
      [
        ['builds', 'why', `${submission}-1`],
        ['why', `${submission}-1`],
      ],
      [
        ['items', 'show', outPath(2)],
        ['item', `/nix/store/${outPath(2)}`],
      ],
      [
        ['agents', 'show', 'a'],
        ['agent', 'a'],
      ],
    ] as const)
      for (const form of [[], ['--json']]) {
        const then = await run(['replay', ...replayed, '--until', now, ...form, ...at]);
        const said = await run([...live, ...form, ...at]);
        assert.equal(then.code, 0, then.err);
        if (form.length === 0) assert.equal(then.out, said.out);
        else assert.deepEqual(JSON.parse(then.out), JSON.parse(said.out));
        if (form.length === 0) assert.match(then.err, /^As of \d{16}, \d{4}-/m);
      }
    const more = await run(['replay', 'queue', '--state', 'succeeded', '--limit', '2', ...at]);
    const after = /add --after (\S+)/.exec(more.err)?.[1] as string;
    const rest = await run(['replay', 'queue', '--state', 'succeeded', '--after', after, ...at]);
    assert.equal(rest.out.split('\n').length, 3, rest.out);
    const agent = await run(['replay', 'agent', 'a', ...at]);
    assert.match(agent.err, /Not in the log: heartbeats/);
  });

  it('tells what changed between two places and who did it, wherever the log is read', async () => {
    const { farm, id, moments } = await history();
    const { application } = farm;
    const ci = await application.createToken(admin, { name: 'ci', scope: 'submit' });
    const by = { id: ci.id, scope: 'submit' } as const;
    await application.deleteItems(by, { items: [outPath(1)], reason: 'wrong patch', now: true, force: true });
    await application.addHook(by, 'mail', { definition });
    await application.steerAgent(by, 'a', 'pause', 'a new disk');
    await application.settled();
    const status = application.status;
    await using server = await harness({ eventStore: farm.store, application: { status } });
    const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
    const overHttp = (scope: 'read' | 'admin') => ['--url', url, '--token', secretOfScope(scope)];
    const [first, second] = moments as [(typeof moments)[number], (typeof moments)[number]];

    const built = JSON.parse(
      (await run(['replay', '--diff', first.position, second.position, '--json', ...overHttp('read')])).out,
    );
    assert.deepEqual(built.builds.counts, [
      { from: 'queued', to: 'succeeded', count: 2 },
      { from: 'allocated', to: 'succeeded', count: 1 },
    ]);
    const { from, to, type, by: who } = built.builds.rows.at(-1);
    assert.deepEqual(
      [built.builds.rows.at(-1).id, from.state, to.state, type],
      [id, 'queued', 'succeeded', 'BuildSucceeded'],
    );
    assert.deepEqual(who, { id: 'agent-a', kind: 'agent', name: 'a' });
    assert.deepEqual(built.items.counts, [{ from: null, to: 'present', count: 3 }]);

    const text = await run(['replay', '--diff', second.position, 'end', ...overHttp('read')]);
    assert.equal(text.code, 0, text.err);
    const token = `token ci \\(${ci.id}\\)`;
    for (const line of [
      `store items: 1 \\(present → none 1\\)`,
      `${outPath(1)} +present → none +\\S+ +${token} +StoreItemDeleted +wrong patch`,
      `a +intake accepting → paused, reason none → a new disk +\\S+ +${token} +AgentPaused +a new disk`,
      `mail +none → active +\\S+ +${token} +HookAdded`,
      `${ci.id} +ci +none → valid +\\S+ +admin +TokenIssued`,
      `${token} +4 +`,
    ])
      assert.match(text.out, new RegExp(`^${line}`, 'm'));
    assert.match(text.out, /no submissions, no builds/);

    await using folder = await temporary();
    const gone = await run(['replay', 'item', outPath(1), ...overHttp('read')]);
    assert.equal(gone.code, 1);
    assert.match(
      gone.err,
      new RegExp(
        `there was no item ${outPath(1)} at \\d+ any more: StoreItemDeleted at \\S+, by ${ci.id} \\(wrong patch\\)`,
      ),
    );
    await using copy = await openSqliteEventStore({ dir: folder.path });
    await copyLog(farm.store, copy, {});
    const whole = (...where: string[]) => run(['replay', '--diff', 'start', 'end', '--json', ...where]);
    const inFile = JSON.parse((await whole('--data', folder.path)).out);
    const overApi = JSON.parse((await whole(...overHttp('admin'))).out);
    assert.deepEqual({ ...inFile, to: inFile.to.time }, { ...overApi, to: overApi.to.time });
    assert.equal(inFile.from, null);
    const one = JSON.parse((await whole('--data', folder.path, '--limit', '1')).out);
    assert.deepEqual([one.builds.total, one.builds.rows.length, one.actors.rows.length], [3, 1, 1]);
    const same = await run(['replay', '--diff', second.position, second.position, ...overHttp('read')]);
    assert.match(same.out, /: 0 events.*\nNothing happened in between\.\n$/);
  });

  it('reads the log of an engine where not every position has an event', { skip: noNatsServer }, async () => {
    const { farm, id } = await history();
    await farm.application.settled();
    await using nats = await startNatsServer();
    {
      const address = parseStoreAddress(nats.url);
      await using log = await openEventStore(address, { dir: '.', write: true, as: 'test' });
      await copyLog(farm.store, log, {});
    }
    await using folder = await temporary();
    await using file = await openSqliteEventStore({ dir: folder.path });
    await copyLog(farm.store, file, {});
    const ask = async (where: string[], ...words: string[]) => {
      const { code, out, err } = await run(['replay', ...words, '--json', ...where]);
      assert.equal(code, 0, err);
      return JSON.parse(out);
    };
    const [stored, filed] = [
      ['--store', nats.url],
      ['--data', folder.path],
    ] as const;
    for (const words of [
      ['build', id],
      ['why', id],
      ['agent', 'a'],
      ['queue', '--state', 'succeeded'],
    ] as const)
      assert.deepEqual(await ask([...stored], ...words), await ask([...filed], ...words));
    const [there, here] = [
      await ask([...stored], '--diff', 'start', 'end'),
      await ask([...filed], '--diff', 'start', 'end'),
    ];
    assert.deepEqual({ ...there, to: there.to.time }, { ...here, to: here.to.time });
    const end = there.to.position as string;
    assert.match(end, /^\d{20}$/);
    // The index of an event in its commit, which has not as many.
    const between = `${end.slice(0, 10)}${String(Number(end.slice(10)) - 10_000 + 99).padStart(10, '0')}`;
    const refused = await run(['replay', 'status', '--until', between, ...stored]);
    assert.equal(refused.code, 2);
    assert.match(refused.err, new RegExp(`--until: no event is at ${between}; the nearest are at \\d{20} and ${end}`));
  });

  it('says what cannot be, and of a file alone what is not known', async () => {
    const { farm, id, moments } = await history();
    const { status } = farm.application;
    await using server = await harness({ eventStore: farm.store, application: { status } });
    const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
    const replay = (...args: readonly string[]) =>
      run(['replay', ...args, '--url', url, '--token', secretOfScope('read')]);
    const [first, second] = moments as [(typeof moments)[number], (typeof moments)[number]];
    const then = await replay('status', '--until', first.position, '--json');
    const { time: _, position: __, ...figures } = JSON.parse(then.out);
    assert.deepEqual(figures, first.status);
    assert.match((await replay('why', id, '--until', first.position)).out, /^Waits for /);
    await using known = await fakeCoordinator({
      'GET /v1/ids': () => ({ json: { rows: [{ id: 'x-12', name: null }] } }),
    });
    const byBeginning = await run(['replay', 'build', 'x-', '--url', known.url]);
    assert.deepEqual(known.seen.map(({ query }) => query.get('prefix'))[0], 'x-');
    assert.equal(byBeginning.code, 1);
    const end = status().position as string;
    const zero = '0'.repeat(16);
    for (const [args, code, words] of [
      [['why'], 2, /expected a build after why/],
      [['status', id], 2, /expected nothing after status/],
      [['why', 'nobody-1'], 1, /there was no build nobody-1/],
      [['build', 'nobody-1'], 1, /there was no build nobody-1/],
      [['agent', 'nobody'], 1, /there was no agent nobody/],
      [['item', outPath(1), '--until', first.position], 1, /there was no item \S+ at \d+ \(/],
      [['status', '--data', '/x', '--store', 'sqlite:/y'], 2, /one of --data and --store/],
      [['status', '--data', '/nonexistent'], 2, /expected a folder with an events\.db, got \/nonexistent \(/],
      [['status', '--store', 'sqlite:/etc/passwd'], 2, /expected a folder with an events\.db, got \/etc\/passwd \(/],
      [['weather'], 2, /status, queue, build, item, agent, why/],
      [[], 2, /expected status, .*why or --diff/],
      [['status', '--limit', '3'], 2, /--limit is for queue, not for status/],
      [['queue', '--state', 'lost'], 2, /--state .*Expected queued, .*, got "lost"/],
      [['queue', '--limit', '5000'], 2, /--limit: expected at most 1000/],
      [['queue', '--agent', 'nobody'], 2, /--agent: there was no agent nobody at \d+/],
      [['queue', '--submission', 'nothing'], 2, /--submission: there was no submission nothing at \d+/],
      [['status', '--until', '9'.repeat(16)], 2, new RegExp(`--until: .* up to ${end}, where the log ends`)],
      [['status', '--until', '4711'], 2, new RegExp(`--until: .*like ${end}.*got 4711`)],
      [['status', '--until', zero], 2, new RegExp(`--until: ${zero} lies before the first event, 0+1 of `)],
      [['status', '--until', '2020-01-01'], 2, /--until: 2020-01-01 lies before the first event/],
      [['status', '--until', '2030-01-01'], 2, /--until: expected a time up to now/],
      [['status', '--until', 'start'], 2, /--until: nothing was known/],
      [['--diff', first.position], 2, /--diff: expected two places, got 1/],
      [['--diff', second.position, first.position], 2, /--diff: expected the earlier place first/],
      [['--diff', 'end', first.position], 2, /--diff: expected the earlier place first/],
      [['--diff', first.position, '9'.repeat(16)], 2, /--diff: .*where the log ends/],
      [['--until', 'end', '--diff', first.position, second.position], 2, /either --diff or --until/],
    ] as const) {
      const refused = await replay(...args);
      assert.equal(refused.code, code, `${args.join(' ')}: ${refused.err}`);
      assert.match(refused.err, words);
    }

    await using folder = await temporary();
    await using copied = await temporary();
    {
      await using log = await openSqliteEventStore({ dir: folder.path });
      await copyLog(farm.store, log, {});
      // All of it is in the write-ahead log still.
      await copyFile(join(folder.path, 'events.db'), join(copied.path, 'events.db'));
      const nothing = await run(['replay', 'status', '--data', copied.path]);
      assert.equal(nothing.code, 1);
      assert.match(nothing.err, /events\.db-wal/);
    }
    await copyFile(join(folder.path, 'events.db'), join(copied.path, 'events.db'));
    const alone = await run(['replay', 'status', '--data', copied.path]);
    assert.match(alone.out, /succeeded: +3\n/);
    assert.match(alone.err, /Only events\.db is in .*not known/);
  });
});

/** A folder that is removed in the end. */
async function temporary() {
  const path = await mkdtemp(join(tmpdir(), 'drover-replay-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

const definition: HookDefinition = {
  ...hookDefaults,
  on: ['BuildFailed'],
  target: { kind: 'webhook', url: 'https://example.org/secret' },
};
