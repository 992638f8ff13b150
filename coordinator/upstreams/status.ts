import type { Farm } from '../../projections/farm.ts';
import type { Core } from '../core.ts';
import type { AskedUpstream, Asker } from './asking.ts';
import { distrustOf } from './distrust.ts';
import { narFault, notFetched } from './nars.ts';
import { isDirect, type UpstreamSettings } from './settings.ts';
import type { Believed } from './trust.ts';

/** One `[[upstream]]` and how it goes with it. */
export interface UpstreamStatus {
  readonly name: string;
  readonly url: string;
  readonly priority: number;
  /** How agents get what it has: through the coordinator, or themselves. */
  readonly mode: 'proxy' | 'direct';
  readonly publicKeys: readonly string[];
  /** `resting`: it gave no answer some times in a row, and is left alone for a while. */
  readonly state: 'usable' | 'resting';
  readonly restsSeconds?: number;
  /** Of the last failure, since the last answer. */
  readonly error?: string;
  /** Store items that only it has, as far as is known, and that count as available. */
  readonly items: number;
  /** What it was asked since the coordinator started, and how often it had it, had it not, was not believed, gave no answer. */
  readonly asked: {
    readonly found: number;
    readonly absent: number;
    readonly rejected: number;
    readonly failed: number;
  };
  /** Why it was not believed, the last time. */
  readonly rejection?: string;
  readonly ttlSeconds: number;
  readonly negativeTtlSeconds: number;
}

/** What one upstream says when it is asked on purpose. */
export interface UpstreamProbe {
  readonly name: string;
  readonly url: string;
  /** Whether it answered, and as a cache of the right store. */
  readonly ok: boolean;
  /** What is wrong. */
  readonly problem?: string;
  /** How long its nix-cache-info took. */
  readonly milliseconds: number;
  readonly items: readonly {
    readonly path: string;
    /** `doubted`: it says that it has it, and is not believed, as it did not give it. */
    readonly answer: 'found' | 'doubted' | 'absent' | 'unknown';
    readonly narHash?: string;
    readonly narSize?: number;
    /** Why it is not believed, or gave no answer. */
    readonly problem?: string;
  }[];
}

export function statusOf({ settings, health, figures }: AskedUpstream, farm: Pick<Farm, 'upstreams'>): UpstreamStatus {
  const { restsMs, error } = health.state;
  const { found, absent, rejected, failed, rejection } = figures;
  return {
    ...describeUpstream(settings, farm),
    state: restsMs > 0 ? 'resting' : 'usable',
    ...(restsMs > 0 && { restsSeconds: Math.ceil(restsMs / 1000) }),
    ...(error !== undefined && { error }),
    asked: { found, absent, rejected, failed },
    ...(rejection !== undefined && { rejection }),
  };
}

/** One that nobody has asked for anything. */
export function describeUpstream(settings: UpstreamSettings, farm: Pick<Farm, 'upstreams'>): UpstreamStatus {
  const { name, url, priority, publicKeys, ttlSeconds, negativeTtlSeconds } = settings;
  return {
    name,
    url,
    priority,
    mode: isDirect(settings) ? 'direct' : 'proxy',
    publicKeys,
    state: 'usable',
    items: farm.upstreams.counts().get(name) ?? 0,
    asked: { found: 0, absent: 0, rejected: 0, failed: 0 },
    ttlSeconds,
    negativeTtlSeconds,
  };
}

/** Asks it although it may be left alone at the moment: that is what the operator wants to know. */
export async function probe(
  { policy, runtime, farm }: Pick<Core, 'policy' | 'runtime' | 'farm'>,
  asker: Asker,
  upstream: AskedUpstream,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<UpstreamProbe> {
  const { settings, cache, health, figures } = upstream;
  const { name, url } = settings;
  const begun = runtime.clock.monotonic();
  let problem: string | undefined;
  try {
    problem = infoProblem(await cache.info(signal), policy.storeDir);
    health.answered();
  } catch (error) {
    problem = (error as Error).message;
    health.failed(error as Error);
  }
  const milliseconds = Math.round(runtime.clock.monotonic() - begun);
  const items: UpstreamProbe['items'][number][] = [];
  for (const path of wanted) {
    const rejected = figures.rejected;
    const answer = await asker.ask(path, { signal, fresh: true, only: name });
    if (typeof answer !== 'string') {
      const { narHash, narSize } = answer;
      const doubt = await doubtOf(answer);
      items.push({ path, answer: doubt ? 'doubted' : 'found', narHash, narSize, ...(doubt && { problem: doubt }) });
    } else {
      const why =
        answer === 'unknown' ? health.state.error : figures.rejected > rejected ? figures.rejection : undefined;
      items.push({ path, answer, ...(why !== undefined && { problem: why }) });
    }
  }
  return { name, url, ok: problem === undefined, ...(problem !== undefined && { problem }), milliseconds, items };

  /** Why a decision would not count on it; it is looked at as for one. */
  async function doubtOf(item: Believed): Promise<string | undefined> {
    const distrust = distrustOf(farm, item.path, name);
    if (distrust === undefined) return undefined;
    const said = 'it says that it has it, and did not give its NAR when that was wanted';
    const until = new Date(distrust.until).toISOString();
    if (distrust.until > runtime.clock.now()) return `${said}: it is not believed before ${until}`;
    const fault = await narFault(upstream, item, signal).catch(notFetched);
    return fault && `${said}, nor does it now: ${fault.reason}`;
  }
}

/** What is wrong with the `nix-cache-info` of an upstream; `undefined`: nothing. */
export function infoProblem(text: string | undefined, storeDir: string): string | undefined {
  if (text === undefined) return 'it has no nix-cache-info: is this the address of a binary cache?';
  const dir = /^StoreDir: *(\S+)/m.exec(text)?.[1];
  if (dir === undefined || dir === storeDir) return undefined;
  return `expected a cache of ${storeDir}, got one of ${dir}`;
}
