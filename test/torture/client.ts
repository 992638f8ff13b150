import { setTimeout as delay } from 'node:timers/promises';
import { insist } from '../simulation/violation.ts';
import type { Answer, Farm } from '../support/e2e/farm.ts';
import type { House } from './house.ts';

/** Something that a client was told, and has to be so from then on. */
interface Promised {
  readonly what: string;
  readonly holds: () => boolean;
}

/** A client that asks until it is answered, and remembers what it was told. */
export interface Client {
  ask(method: string, path: string, options?: Parameters<Farm['request']>[2]): Promise<Answer>;
  /** Asks once: `undefined` where no answer came. */
  askOnce(method: string, path: string, options?: Parameters<Farm['request']>[2]): Promise<Answer | undefined>;
  /** It was acknowledged: `holds` looks for it in the log, once that is read as far as it goes. */
  promised(what: string, holds: () => boolean): void;
  /** Nobody is asked any more: whoever still asks fails. */
  stop(): void;
  /** I1: looks for all that was acknowledged and was not found yet. */
  audit(): void;
  readonly figures: { readonly answers: number; readonly unanswered: number; readonly promises: number };
}

export function createClient(house: House): Client {
  const { farm } = house;
  let open: Promised[] = [];
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => {});
  const figures = { answers: 0, unanswered: 0, promises: 0 };

  async function askOnce(...[method, path, options]: Parameters<Client['askOnce']>): Promise<Answer | undefined> {
    await Promise.race([house.up(), stopped.promise]);
    try {
      const answer = await Promise.race([farm.request(method, path, options), stopped.promise]);
      if (answer.status === 503 || answer.status === 429) return undefined;
      insist(
        answer.status < 500,
        'bug',
        `${method} ${path}: expected no failure of the coordinator, got ${answer.status} ${JSON.stringify(answer.body)}`,
      );
      figures.answers++;
      return answer;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      figures.unanswered++;
      return undefined;
    }
  }

  return {
    figures,
    askOnce,
    async ask(...question) {
      for (;;) {
        const answer = await askOnce(...question);
        if (answer) return answer;
        await delay(50);
      }
    },
    stop: () => stopped.reject(new Error('the torture is over')),
    promised(what, holds) {
      figures.promises++;
      open.push({ what, holds });
    },
    audit() {
      for (const { what, holds } of open) insist(holds(), 'I1', `${what} was acknowledged, and is not so`);
      open = [];
    },
  };
}
