import type { Logger } from 'pino';
import { holdingsPerFrame, type Welcome } from '../domain/agent/messages.ts';
import type { LinkConnection } from './ports/coordinator-link.ts';
import type { StoreUpkeep } from './ports/store-upkeep.ts';

/**
 * Tells a coordinator that asks what the store holds, so that it gives the agent what it has the inputs of: once to each start of a coordinator, and again when
 * garbage was collected. What is fetched and built in between a coordinator sees by itself.
 */
export interface HoldingsTeller {
  welcomed(said: Pick<Welcome, 'session' | 'holdings'>, to: LinkConnection): void;
  /** Items have gone from the store. */
  collected(): void;
}

export function createHoldingsTeller(
  upkeep: Pick<StoreUpkeep, 'largest'>,
  storeDir: string,
  logger: Logger,
): HoldingsTeller {
  let asked: { readonly session: string; readonly most: number; readonly to: LinkConnection } | undefined;
  /** The coordinator that knows what there is to know. */
  let told: string | undefined;
  let telling = false;

  async function tell(): Promise<void> {
    while (asked !== undefined && told !== asked.session && asked.to.open) {
      const { session, most, to } = asked;
      told = session; // Unless something changes meanwhile.
      const paths = await upkeep.largest(most).catch((error: Error) => {
        logger.info(`the coordinator is not told what the store holds: ${error.message}`);
        return [];
      });
      const start = storeDir.length + 1;
      for (let from = 0; from === 0 || from < paths.length; from += holdingsPerFrame) {
        const part = paths.slice(from, from + holdingsPerFrame);
        const hashes = part.map((path) => path.slice(start, start + 32)).join('');
        await to.sendOob({ type: 'holds', hashes, ...(from === 0 && { fresh: true }) });
      }
      // It was lost with the connection, or in part.
      if (!to.open && told === session) told = undefined;
    }
  }

  function again(): void {
    if (telling) return;
    telling = true;
    void tell()
      .catch((error: Error) => logger.warn({ err: error }, 'the coordinator could not be told what the store holds'))
      .finally(() => {
        telling = false;
      });
  }

  return {
    welcomed({ session, holdings: most = 0 }, to) {
      asked = most > 0 ? { session, most, to } : undefined;
      again();
    },
    collected() {
      told = undefined;
      again();
    },
  };
}
