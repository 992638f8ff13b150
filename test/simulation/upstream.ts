import { type UpstreamCache, UpstreamError } from '../../coordinator/ports/upstream.ts';
import type { UpstreamSource } from '../../coordinator/upstreams/asking.ts';
import type { UpstreamItem } from '../../domain/item/events.ts';
import { createFakeUpstream } from '../support/fake-upstream.ts';
import { baseOf, type Graph, hashOf, narOf } from './graph.ts';
import type { Life } from './life.ts';
import type { Random } from './random.ts';

/** How an upstream of a farm is, and is asked. */
export interface UpstreamKind {
  readonly name: string;
  /** Share of all items that it has. */
  readonly share: number;
  readonly ttlSeconds: number;
  readonly negativeTtlSeconds: number;
  readonly priority: number;
  /** Agents fetch what it has themselves. */
  readonly mode: 'proxy' | 'direct';
}

/** What an upstream may say or give that is not so: of an item, of the bytes of its NAR, or that there is a NAR. */
export const lies = ['other hash', 'other bytes', 'cut', 'no NAR'] as const;

/** Another binary cache: what it has outlives the coordinators that ask it. */
export interface SimulatedUpstream {
  readonly name: string;
  readonly weather: {
    answers: 'well' | 'refuses' | 'silent';
    lie: (typeof lies)[number] | undefined;
    /** How it is from where agents are, who may find it otherwise than the coordinator does. */
    readonly forAgents: { answers: 'well' | 'refuses' | 'silent'; lie: 'other bytes' | 'cut' | undefined };
  };
  readonly mode: UpstreamKind['mode'];
  readonly url: string;
  /** Some of what it has is gone, with or without the NARs. */
  forget(random: Random): void;
  /** All that it ever had is there again. */
  restore(): void;
  /** It answers, and says nothing of what it does not have: a narinfo without its NAR would be believed anew after each `ttl-seconds`. */
  heal(): void;
  /** Whether it has signed just that at any time. */
  hasSigned(item: Pick<UpstreamItem, 'path' | 'narHash' | 'narSize' | 'references'>): boolean;
  /** As the process of a coordinator asks it. */
  open(life: Life): UpstreamSource;
  /** As the process of an agent fetches from it. */
  openForAgent(life: Life): UpstreamCache;
}

export function createSimulatedUpstream(kind: UpstreamKind, graph: Graph, random: Random): SimulatedUpstream {
  const { name, share, ...times } = kind;
  const timeoutSeconds = 3;
  const fake = createFakeUpstream(name, { ...times, timeoutSeconds, checkSeconds: 8, connections: 2 });
  for (const { path, nar } of graph.sources)
    if (random.chance(share / 2)) fake.put(path, { nar, narHash: hashOf(nar) });
  for (const { references } of graph.recipes)
    for (const [path, all] of references)
      if (random.chance(share)) {
        const nar = narOf(path, all);
        fake.put(path, { nar, narHash: hashOf(nar), references: all.map(baseOf) });
      }
  const all = new Map(fake.items);
  const weather: SimulatedUpstream['weather'] = {
    answers: 'well',
    lie: undefined,
    forAgents: { answers: 'well', lie: undefined },
  };

  /** Time passes, and an answer comes or not. */
  async function way(life: Life, signal: AbortSignal, answers = weather.answers): Promise<void> {
    await life.io();
    signal.throwIfAborted();
    if (answers === 'refuses') throw new UpstreamError(`${name}: connect ECONNREFUSED`);
    if (answers === 'well') return;
    await new Promise<never>((_, reject) => {
      life.after(timeoutSeconds * 1000, () => reject(new UpstreamError(`${name}: no answer in ${timeoutSeconds} s`)));
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  function given(url: string, lie: SimulatedUpstream['weather']['lie']): AsyncIterable<Uint8Array> | undefined {
    const nar = fake.items.get(url)?.nar;
    if (nar === undefined || lie === 'no NAR') return undefined;
    const bytes = Buffer.from(nar);
    // Within the content of the file, which begins after the words around it.
    if (lie === 'other bytes') bytes[bytes.indexOf('contents') + 16] = 0x21;
    const end = lie === 'cut' ? bytes.length >> 1 : bytes.length;
    return (async function* () {
      yield bytes.subarray(0, end);
    })();
  }

  return {
    name,
    weather,
    mode: kind.mode,
    url: fake.settings.url,
    forget(choice) {
      for (const [path, { info, nar }] of fake.items)
        if (choice.chance(0.4)) fake.items.set(path, { info, nar: undefined });
        else if (choice.chance(0.6)) fake.items.delete(path);
        else fake.items.set(path, { info, nar });
    },
    restore() {
      for (const [path, item] of all) fake.items.set(path, item);
    },
    heal() {
      for (const way of [weather, weather.forAgents]) Object.assign(way, { answers: 'well', lie: undefined });
      for (const [path, { nar }] of fake.items) if (nar === undefined) fake.items.delete(path);
    },
    hasSigned({ path, narHash, narSize, references }) {
      const info = all.get(path)?.info;
      const isSame = info?.references.toSorted().join() === references.toSorted().join();
      return isSame && info?.narHash === narHash && info.narSize === narSize;
    },
    open: (life) => ({
      settings: fake.settings,
      cache: {
        async info(signal) {
          await way(life, signal);
          return fake.cache.info(signal);
        },
        async narinfo(hashPart, signal) {
          await way(life, signal);
          const info = await fake.cache.narinfo(hashPart, signal);
          return info && weather.lie === 'other hash' ? { ...info, narHash: hashOf(Buffer.from(info.url)) } : info;
        },
        async nar(file, signal) {
          await way(life, signal);
          return given(file.url, weather.lie);
        },
        [Symbol.dispose]() {},
      },
    }),
    openForAgent: (life) => ({
      ...fake.cache,
      async nar({ url }, signal) {
        const { answers, lie } = weather.forAgents;
        await way(life, signal, weather.answers === 'well' ? answers : weather.answers);
        return given(url, weather.lie ?? lie);
      },
    }),
  };
}
