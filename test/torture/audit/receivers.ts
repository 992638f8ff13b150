import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Random } from '../../simulation/random.ts';
import { insist } from '../../simulation/violation.ts';
import type { Event } from '../../support/e2e/event-feed.ts';
import type { Farm } from '../../support/e2e/farm.ts';
import { listen } from '../../support/web-receiver.ts';

const ends = ['BuildSucceeded', 'BuildFailed', 'BuildSatisfied', 'BuildCanceled'];
const items = ['StoreItemAdded', 'StoreItemUnpublished', 'StoreItemDeleted'];
const retry = { maxAttempts: 1000, baseSeconds: 1, maxSeconds: 2 };

/** Hooks of the farm, and what their receivers got. */
export interface Receivers extends AsyncDisposable {
  add(farm: Farm): Promise<void>;
  /** I10, where the hooks say that they owe nothing: each got what it asked for, in the order of its streams, or of the log. */
  audit(events: readonly Event[]): void;
  readonly received: number;
}

/** Receivers that refuse now and then, or take what comes and do not answer. */
export async function openReceivers(random: Random, folder: string): Promise<Receivers> {
  const got = new Map<string, string[]>([
    ['items', []],
    ['ends', []],
  ]);
  const place = { commands: join(folder, 'commands.txt') };
  const server = await listen((response: ServerResponse, { headers, path }) => {
    const name = path.slice(1);
    const weather = random.weighted({ taken: 16, refused: 2, 'taken and not answered': 1 });
    if (weather !== 'refused') got.get(name)?.push(String(headers['webhook-id']));
    if (weather === 'taken and not answered') response.destroy();
    else response.writeHead(weather === 'taken' ? 204 : 500).end();
  });
  const hooks = [
    { name: 'items', on: items, url: `${server.origin}/items`, allowPrivate: true, order: 'stream', retry },
    { name: 'ends', on: ends, url: `${server.origin}/ends`, allowPrivate: true, order: 'all', retry },
    {
      name: 'commands',
      on: ['BuildFailed', 'RootAdded'],
      run: `echo "$DROVER_EVENT_ID" >> ${place.commands}`,
      order: 'stream',
      retry,
    },
  ] as const;

  function commands(): string[] {
    try {
      return readFileSync(place.commands, 'utf8').trim().split('\n').filter(Boolean);
    } catch {
      return [];
    }
  }

  return {
    async add(farm) {
      for (const hook of hooks) {
        const { status, body } = await farm.request('POST', '/v1/hooks', { body: { ...hook, from: 'start' } });
        if (status !== 201) throw new Error(`hooks: expected 201, got ${status} ${JSON.stringify(body)}`);
      }
    },
    audit(events) {
      const places = new Map(events.map(({ id }, at) => [id, at]));
      for (const { name, on, order } of hooks) {
        const arrived = name === 'commands' ? commands() : (got.get(name) as string[]);
        const all = new Set(arrived);
        for (const { id, type } of events)
          insist(
            !(on as readonly string[]).includes(type) || all.has(id),
            'I10',
            `hook ${name} never got ${id}, ${type}`,
          );
        const last = new Map<string, number>();
        for (const id of all) {
          const at = places.get(id);
          insist(at !== undefined, 'I1', `hook ${name} got ${id}, which is not in the log`);
          const key = order === 'all' ? '' : (events[at] as Event).stream;
          insist(at > (last.get(key) ?? -1), 'I10', `hook ${name} got ${id} for the first time after what came later`);
          last.set(key, at);
        }
      }
    },
    get received() {
      return [...got.values()].reduce((sum, { length }) => sum + length, 0) + commands().length;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
