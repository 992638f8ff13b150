import { parseNarName } from '../../../adapters/http/cache/nar-url.ts';
import { isGranted, type SimulatedFarm } from '../farm.ts';
import { hashOf } from '../graph.ts';
import type { Random } from '../random.ts';
import { insist } from '../violation.ts';
import { type Operator, pause, pickItem } from './operator.ts';
import { sendSource } from './submissions.ts';

async function deleteItem(farm: SimulatedFarm, random: Random): Promise<void> {
  const { items } = farm.ledger;
  const ownSources = farm.graph.sources.filter((source) => items.has(source.path));
  const path = random.chance(0.2) ? random.pick(ownSources)?.path : pickItem(farm, random);
  if (path === undefined) return;
  // Others want it at that moment: somebody fetches it, or whoever sent it sends it again.
  if (random.chance(0.5)) farm.client.after(random.between(0, 60), () => void fetchItem(farm, path));
  if (random.chance(0.5)) farm.client.after(random.between(0, 60), () => void sendSource(farm, path));
  farm.cover('delete item', farm.ledger.isAvailable(path) ? 'available' : 'present');
  const before = farm.ledger.items.get(path);
  const how = { now: random.chance(0.3), force: random.chance(0.6) };
  if (how.force) farm.ledger.keep.forcedItems.add(path);
  if (how.now) farm.ledger.keep.atOnce.add(path);
  const answer = await farm.ask(`delete ${path.slice(33)}`, (application) =>
    application.deleteItems(farm.admin, { items: [path], reason: 'for the sake of it', ...how }),
  );
  if (!isGranted(answer)) return;
  // Unless it has come again meanwhile, as another entry.
  farm.guard(() =>
    insist(farm.ledger.items.get(path) !== before, 'I1', `${path} was deleted, and the log does not say so`),
  );
}

/** What a client of the cache gets is what the narinfo says, or it is told that there is nothing. */
async function fetch(farm: SimulatedFarm, random: Random): Promise<void> {
  const { items, everPresent, isAvailable } = farm.ledger;
  const isBroken = (item: string): boolean =>
    !isAvailable(item) || !farm.poolDisk.files.has(items.get(item)?.file as string);
  const broken = [...items.keys()].filter(isBroken);
  const path = random.chance(0.5) ? pickItem(farm, random) : (random.pick(broken) ?? random.pick([...everPresent]));
  const isLater = random.chance(0.3);
  if (path !== undefined) await fetchItem(farm, path, isLater ? random.between(1000, 14_000) : 0);
}

async function fetchItem(farm: SimulatedFarm, path: string, laterMs = 0): Promise<void> {
  const { signal } = new AbortController();
  const { items, isAvailable } = farm.ledger;
  const state = isAvailable(path) ? 'available' : items.has(path) ? 'present' : 'gone';
  farm.cover('fetch', `${state}${laterMs > 0 ? ', later' : ''}`);
  try {
    const info = await farm.cache.narinfo(path.slice(0, 32), signal);
    if (!info) return;
    const since = farm.time.now();
    const file = parseNarName(info.url.slice('nar/'.length))?.hash ?? '';
    const isElsewhere = info.url.startsWith('nar/upstream/');
    // What the narinfo says holds for as long as it may be kept.
    if (laterMs > 0) await pause(farm, laterMs);
    const nar = await farm.cache.nar(info, signal);
    if (!nar) {
      farm.guard(() =>
        insist(isElsewhere || farm.mayBeGone(path, file, since), 'I9', `${path}: its NAR went while its narinfo holds`),
      );
      return;
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of nar) chunks.push(chunk);
    const got = hashOf(Buffer.concat(chunks));
    farm.guard(() =>
      insist(
        isElsewhere || got === info.narHash,
        'I6',
        `${path}: its narinfo says ${info.narHash}, and what came is ${got}`,
      ),
    );
  } catch {
    // The network; or the coordinator is away.
  }
}

/** What people and clients of the cache do with store items. */
export const itemOperators: Readonly<Record<string, Operator>> = {
  'delete item': { weight: 5, act: deleteItem },
  verify: {
    weight: 1,
    async act(farm, random) {
      const full = random.chance(0.5);
      const repair = random.chance(0.3);
      farm.cover('verify', `${full ? 'full' : 'sizes'}${repair ? ', repair' : ''}`);
      await farm.ask('verify', async (application) => {
        for await (const report of application.verifyItems(farm.admin, { full, repair }))
          if (report.type === 'end') return report;
        return undefined;
      });
    },
  },
  fetch: { weight: 6, act: fetch },
  'why item': {
    weight: 1,
    async act(farm, random) {
      const path = random.pick([...farm.ledger.everPresent]);
      if (path === undefined) return;
      farm.cover('why item', farm.ledger.items.has(path) ? 'present' : 'gone');
      const answer = await farm.ask(`why ${path.slice(33)}`, (application) => application.whyItem(path));
      if (answer.value) farm.guard(() => insist(answer.value?.summary !== '', 'I5', `nothing is said of ${path}`));
    },
  },
};
