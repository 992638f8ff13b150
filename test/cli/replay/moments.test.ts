import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { placeOption } from '../../../cli/output/place.ts';
import type { LogSource } from '../../../cli/replay/log-source.ts';
import {
  askAgent,
  askBuild,
  askItem,
  askQueue,
  askStatus,
  askWhy,
  type Question,
} from '../../../cli/replay/questions.ts';
import { readLog } from '../../../cli/replay/read-log.ts';
import { foldEvent } from '../../../coordinator/log/recovery.ts';
import type { EventStore, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { type Change, type Changes, collectChanges } from '../../../projections/changes.ts';
import { createFarm, type Farm } from '../../../projections/farm.ts';
import { type ThingCategory, thingKinds, thingState } from '../../../projections/things.ts';
import { playFarm, type Said } from '../../support/random-farm.ts';
import { testIo } from '../support/run-cli.ts';

/** More: `REPLAY_SEEDS=50 npm test -- replay`. */
const count = process.env.REPLAY_SEEDS;
const seeds = count === undefined ? [1, 3] : Array.from({ length: Number(count) }, (_, n) => n + 1);
const { io } = testIo({});
const never = new AbortController().signal;

function logOf(store: EventStore): LogSource {
  return {
    notes: [],
    head: () => store.head(),
    async *events() {
      for await (const { events } of store.readAll()) yield* events;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** JSON has no `undefined`. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

for (const seed of seeds)
  describe(`what was known at any moment of a farm that seed ${seed} makes`, () => {
    let folder: string;
    let store: EventStore;
    let said: readonly Said[];
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'drover-moments-'));
      ({ store, said } = await playFarm(folder, { seed, steps: 120 }));
    });
    after(() => rm(folder, { recursive: true }));

    async function ask(question: Question, position: string, at: number): Promise<unknown> {
      using asked = question;
      let last: StoredEvent | undefined;
      const reading = {
        event: asked.event,
        reached(_: number, event: StoredEvent | undefined) {
          last = event;
        },
      };
      const place = placeOption(() => at)(position);
      assert.ok(await readLog(logOf(store), [{ flag: '--until', place }], reading, io, never));
      return plain(asked.answer({ last: last as StoredEvent, at }).value);
    }

    it('is what the live coordinator said then', async () => {
      assert.ok(said.some(({ item }) => item) && said.some(({ queue }) => queue.rows.length > 3));
      for (const { position, at, status, queue, build, why, item, itemPath, agents } of said.filter(
        (_, n) => n % 4 === 0,
      )) {
        const {
          time: _,
          position: then,
          ...figures
        } = (await ask(askStatus(), position, at)) as Record<string, unknown>;
        assert.equal(then, position);
        assert.deepEqual(figures, plain(status));
        assert.deepEqual(await ask(askQueue(undefined, {}, { limit: 1000 }), position, at), plain(queue));
        const standing = queue.rows.filter((row) => row.standing === 'blocked' || row.standing === 'waiting');
        const found = await ask(askQueue(['blocked', 'waiting'], {}, { limit: 1000 }), position, at);
        assert.deepEqual(found, { rows: plain(standing) });
        assert.deepEqual(await ask(askBuild(build.id), position, at), plain(build));
        assert.deepEqual(await ask(askWhy(build.id), position, at), plain(why));
        if (item) assert.deepEqual(await ask(askItem(itemPath), position, at), plain(item));
        else await assert.rejects(ask(askItem(itemPath), position, at), /there was no item/);
        for (const agent of agents) assert.deepEqual(await ask(askAgent(agent.name), position, at), plain(agent));
      }
    });

    it('differs by what the difference of two moments says, and by nothing else', async () => {
      const log: StoredEvent[] = [];
      for await (const { events } of store.readAll()) log.push(...events);
      const placeOf = ({ position }: Said) => log.findIndex((event) => event.position === position) + 1;
      for (let n = 0; n < said.length; n += 3) {
        const [one, other] = [said[n] as Said, said[(n * 7) % said.length] as Said];
        const [from, to] = placeOf(one) <= placeOf(other) ? [one, other] : [other, one];
        const farm = createFarm();
        for (const event of log.slice(0, placeOf(from))) foldEvent(farm, event);
        const before = statesOf(farm, log);
        const collector = collectChanges(farm);
        for (const event of log.slice(placeOf(from), placeOf(to)))
          collector.event(event, () => void foldEvent(farm, event));
        const changes = collector.result(1e6);
        assert.deepEqual(changesIn(changes), differences(before, statesOf(farm, log)));
        // By what the live coordinator said of both.
        const pairs = (kind: 'builds' | 'items' | 'agents') =>
          new Map(
            changes[kind].rows.map((row) => [
              kind === 'builds' ? row.id : row.name,
              [stateOf(row.from), stateOf(row.to)],
            ]),
          );
        assert.deepEqual(sorted(pairs('items')), sorted(told(from.items, to.items)));
        for (const [kind, expected] of [
          ['builds', told(from.builds, to.builds)],
          ['agents', told(from.agentStates, to.agentStates)],
        ] as const)
          for (const [id, states] of expected) assert.deepEqual(pairs(kind).get(id), states, id);
        const transitions = changes.builds.counts.reduce((sum, { count }) => sum + count, 0);
        assert.equal(transitions, changes.builds.total);
        assert.equal(changes.builds.total, changes.builds.rows.length);
        const short = collector.result(1);
        assert.deepEqual(
          [short.builds.total, short.builds.rows.length],
          [changes.builds.total, Math.min(1, changes.builds.total)],
        );
        for (const { event, type, by } of changes.builds.rows) {
          const cause = log.find(({ stream, revision }) => `${stream}@${revision}` === event);
          assert.deepEqual([cause?.type, cause?.meta.actor], [type, by.id]);
        }
      }
    });
  });

const stateOf = (state: Change['from']): string | null => state?.state ?? null;
const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

/** What has another state at the second moment, or is there at one of them only. */
function told(from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const id of new Set([...from.keys(), ...to.keys()]))
    if (from.get(id) !== to.get(id)) found.set(id, [from.get(id) ?? null, to.get(id) ?? null]);
  return found;
}

/** The state of every thing that the log ever tells of, by stream. */
function statesOf(farm: Farm, log: readonly StoredEvent[]): ReadonlyMap<string, string> {
  const states = new Map<string, string>();
  for (const { stream } of log) {
    const dash = stream.indexOf('-');
    const state = thingState(farm, stream.slice(0, dash) as ThingCategory, stream.slice(dash + 1));
    if (state) states.set(stream, JSON.stringify(state));
  }
  return states;
}

function differences(from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>) {
  return sorted(told(from, to));
}

function changesIn(changes: Changes) {
  const found = new Map<string, unknown>();
  const text = (state: Change['from']) => (state === null ? null : JSON.stringify(state));
  for (const [category, kind] of Object.entries(thingKinds))
    for (const { id, from, to } of changes[kind].rows) found.set(`${category}-${id}`, [text(from), text(to)]);
  return sorted(found);
}
