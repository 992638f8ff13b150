import { setTimeout as sleep } from 'node:timers/promises';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import { isForming, isWithoutPeers, reasonOf, toStoreError } from './errors.ts';
import type { NatsOptions } from './options.ts';

/** How long a start waits for a cluster whose servers are just starting too, and who is told of it. */
export interface Waiting {
  readonly seconds: number;
  /** Told what is waited for, whenever that is something else than before. */
  readonly tell: (what: string) => void;
}

/** The answer to a question to the cluster, which may be asked several times. Rejects with an EventStoreError that names what was done (`doing`) and what is missing. */
export type AskCluster = <T>(doing: string, question: () => Promise<T>) => Promise<T>;

/** Milliseconds between two tries: the first, and the most after doubling. No server tells a client when its cluster is whole. */
const firstPause = 50;
const longestPause = 1000;

/**
 * For what a start asks. A cluster that has just been started has no leader at first, and then one that does not know all servers: such answers are
 * waited out, for all questions together as long as `waiting` says; without it they are errors at once.
 */
export function askingCluster({ servers, replicas = 1 }: NatsOptions, waiting?: Waiting): AskCluster {
  const start = performance.now();
  let told: string | undefined;

  function missing(error: unknown): string {
    if (!isWithoutPeers(error)) return 'JetStream answers once the cluster has a leader';
    if (replicas === 1) return 'each copy of the log needs a server that is there and has room';
    return `${replicas} copies of the log need ${replicas} servers that are there and have room`;
  }

  return async (doing, question) => {
    for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
      try {
        return await question();
      } catch (error) {
        if (!isForming(error)) throw toStoreError(error, doing);
        const lack = `NATS at ${servers.join(', ')}, ${doing}: ${reasonOf(error)}; ${missing(error)}`;
        const waited = (performance.now() - start) / 1000;
        if (waiting === undefined || waited + pause / 1000 > waiting.seconds) {
          const soFar = waiting && `. Drover waited ${waited.toFixed(0)} s for that`;
          throw new EventStoreError('unavailable', `${lack}${soFar ?? ''}`, { cause: error });
        }
        if (told !== lack) waiting.tell(lack);
        told = lack;
        await sleep(pause);
      }
    }
  };
}
