import type { Logger } from 'pino';
import type { DirectUpstreams } from '../../agent/ports/direct-upstreams.ts';
import type { Runtime } from '../../coordinator/ports/runtime.ts';
import type { UpstreamCache } from '../../coordinator/ports/upstream.ts';
import { createHealth, type Health } from '../../coordinator/upstreams/health.ts';
import type { DirectUpstreamSettings } from '../../domain/agent/messages.ts';

interface Known {
  readonly settings: DirectUpstreamSettings;
  readonly health: Health;
  cache?: UpstreamCache;
}

/** More than an agent fetches at a time, whatever its `max-concurrent-fetches`. */
const connections = 256;

async function openOverHttp({ url, timeoutSeconds, allowPrivate }: DirectUpstreamSettings): Promise<UpstreamCache> {
  // Most agents are told of none.
  const { openHttpCache } = await import('./http-cache.ts');
  return openHttpCache({ url, id: 'agent', timeoutMs: timeoutSeconds * 1000, connections, allowPrivate });
}

/** The ways of an agent to the upstreams that it was told of. One that fails some times in a row is left alone for a while, as by a coordinator. */
export function createDirectUpstreams(
  runtime: Pick<Runtime, 'clock' | 'random'>,
  logger: Pick<Logger, 'info' | 'warn'>,
  open = openOverHttp,
): DirectUpstreams & Disposable {
  let known = new Map<string, Known>();

  function create(settings: DirectUpstreamSettings): Known {
    const { name } = settings;
    const health = createHealth(runtime, ({ restsMs, error }) => {
      if (restsMs === 0) logger.info({ upstream: name }, 'the upstream answers again');
      else
        logger.warn(
          { upstream: name, seconds: Math.ceil(restsMs / 1000) },
          `what the upstream has is fetched from the coordinator for now: ${error}`,
        );
    });
    return { settings, health };
  }

  async function* watched(
    nar: AsyncIterable<Uint8Array>,
    health: Health,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* nar;
      health.answered();
    } catch (error) {
      if (!signal.aborted) health.failed(error as Error);
      throw error;
    }
  }

  return {
    told(upstreams) {
      const before = known;
      known = new Map();
      for (const settings of upstreams) {
        const same = before.get(settings.name);
        const isSame = same !== undefined && JSON.stringify(same.settings) === JSON.stringify(settings);
        known.set(settings.name, isSame ? same : create(settings));
      }
      for (const [name, one] of before) if (known.get(name) !== one) one.cache?.[Symbol.dispose]();
    },
    of(name) {
      const one = known.get(name);
      if (one === undefined || !one.health.isUsable()) return undefined;
      const { settings, health } = one;
      return {
        publicKeys: settings.publicKeys,
        async nar(file, signal) {
          try {
            one.cache ??= await open(settings);
            const nar = await one.cache.nar(file, signal);
            if (nar !== undefined) return watched(nar, health, signal);
            health.answered();
            return undefined;
          } catch (error) {
            if (!signal.aborted) health.failed(error as Error);
            throw error;
          }
        },
      };
    },
    [Symbol.dispose]() {
      for (const { cache } of known.values()) cache?.[Symbol.dispose]();
    },
  };
}
