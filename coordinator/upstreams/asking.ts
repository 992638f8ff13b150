import type { Core } from '../core.ts';
import type { UpstreamCache } from '../ports/upstream.ts';
import { distrustOf } from './distrust.ts';
import { createHealth, type Health } from './health.ts';
import { createRemembered } from './remembered.ts';
import type { UpstreamSettings } from './settings.ts';
import { type Believed, believe } from './trust.ts';

/** One `[[upstream]]` with the way to it. */
export interface UpstreamSource {
  readonly settings: UpstreamSettings;
  readonly cache: UpstreamCache;
}

/** What was asked of one upstream since the coordinator started. */
export interface AskFigures {
  /** It has it, has it not, said what is not believed, gave no answer. */
  readonly found: number;
  readonly absent: number;
  readonly rejected: number;
  readonly failed: number;
  /** Why something was not believed, the last time. */
  readonly rejection?: string;
}

export interface AskedUpstream extends UpstreamSource {
  readonly health: Health;
  readonly figures: AskFigures;
}

/** `absent`: none has it; `unknown`: one that may have it gave no answer. */
export type Answer = Believed | 'absent' | 'unknown';

export interface AskWish {
  /** Aborts where nobody waits any more: the answer is `unknown` then. */
  readonly signal: AbortSignal;
  /** Asks also where the answer is remembered, and where the upstream is not believed or left alone. */
  readonly fresh?: boolean;
  /** Only the upstream of that name. */
  readonly only?: string;
  /** On whose behalf, where other coordinators ask here. */
  readonly via?: string | undefined;
}

/** Asks upstreams for items, one after another by priority, and believes what one of their keys has signed. */
export interface Asker {
  readonly upstreams: readonly AskedUpstream[];
  of(name: string): AskedUpstream | undefined;
  /** @param path base name. */
  ask(path: string, wish: AskWish): Promise<Answer>;
  /** Whether any upstream is asked at the moment. */
  canAsk(): boolean;
}

/**
 * @param isProved whether an upstream, which did not give an item once, gives now all that it says of it; waits for it as long as the signal says.
 */
export function createAsker(
  core: Core,
  sources: readonly UpstreamSource[],
  isProved: (upstream: AskedUpstream, item: Believed, signal: AbortSignal) => Promise<boolean>,
): Asker {
  const { farm, policy, runtime, logger } = core;
  const upstreams = [...sources]
    .sort((a, b) => a.settings.priority - b.settings.priority)
    .map((source) => createAsked(source));

  function createAsked(source: UpstreamSource) {
    const { name } = source.settings;
    const figures = { found: 0, absent: 0, rejected: 0, failed: 0, rejection: undefined as string | undefined };
    const health = createHealth(runtime, ({ restsMs, error }) => {
      if (restsMs === 0) logger.info({ upstream: name }, 'the upstream answers again');
      else logger.warn({ upstream: name, seconds: Math.ceil(restsMs / 1000) }, `the upstream is left alone: ${error}`);
    });
    const { take, give } = createTurns(source.settings.connections);
    return {
      ...source,
      health,
      figures: figures as AskFigures & typeof figures,
      absent: createRemembered(runtime.clock),
      take,
      give,
    };
  }

  function isDistrusted(path: string, name: string): boolean {
    const distrust = distrustOf(farm, path, name);
    return distrust !== undefined && distrust.until > runtime.clock.now();
  }

  async function askOne(
    upstream: (typeof upstreams)[number],
    path: string,
    { signal, fresh = false, via }: AskWish,
  ): Promise<Answer> {
    const { settings, cache, health, figures, absent } = upstream;
    if (!fresh) {
      if (isDistrusted(path, settings.name) || absent.has(path)) return 'absent';
      if (!health.isUsable()) return 'unknown';
    }
    await upstream.take();
    try {
      if (signal.aborted || (!fresh && !health.isUsable())) return 'unknown';
      const info = await cache.narinfo(path.slice(0, 32), signal, via);
      health.answered();
      if (info === undefined) {
        figures.absent++;
        // To another it may have it.
        if (via === undefined) absent.remember(path, settings.negativeTtlSeconds * 1000);
        return 'absent';
      }
      const believed = believe(info, path, settings, policy);
      if (!('fault' in believed)) {
        figures.found++;
        absent.forget(path);
        return believed;
      }
      figures.rejected++;
      if (figures.rejection === undefined)
        logger.warn({ upstream: settings.name }, `the upstream is not believed: ${believed.fault}`);
      figures.rejection = believed.fault;
      absent.remember(path, settings.negativeTtlSeconds * 1000);
      return 'absent';
    } catch (error) {
      // Whoever asked has given up: that says nothing of the upstream.
      if (signal.aborted) return 'unknown';
      figures.failed++;
      health.failed(error as Error);
      return 'unknown';
    } finally {
      upstream.give();
    }
  }

  return {
    upstreams,
    of: (name) => upstreams.find(({ settings }) => settings.name === name),
    canAsk: () => upstreams.some(({ health }) => health.isUsable()),
    async ask(path, wish) {
      let isUnknown = false;
      for (const upstream of upstreams) {
        if (wish.only !== undefined && upstream.settings.name !== wish.only) continue;
        const answer = await askOne(upstream, path, wish);
        if (typeof answer !== 'string') {
          const isProof = wish.fresh === true || distrustOf(farm, path, upstream.settings.name) === undefined;
          if (isProof || (await isProved(upstream, answer, wish.signal))) return answer;
        }
        isUnknown ||= answer === 'unknown';
      }
      return isUnknown ? 'unknown' : 'absent';
    },
  };
}

/** So many at a time; the others wait in order. */
export function createTurns(most: number): { take(): Promise<void>; give(): void } {
  let taken = 0;
  const waiting: (() => void)[] = [];
  return {
    async take() {
      if (taken < most) taken++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    give() {
      const next = waiting.shift();
      if (next === undefined) taken--;
      else next();
    },
  };
}
