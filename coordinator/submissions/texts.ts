import type { Drv } from '../../projections/graph.ts';
import type { Core } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';

/** Derivations whose texts the derivation store has lost: their builds wait, and go on by themselves once the texts are there again. */
export interface Texts {
  /** The store does not have the text. */
  lost(drv: Drv, reason: string): void;
  /** The store cannot read the text. It is read again until it can be, or is not there any more. */
  unread(drv: Drv, reason: string): void;
  /** Clients have sent these (base names): what was lost of them may be there again. */
  sent(paths: readonly string[]): Promise<void>;
  /**
   * After a start: holds what the log says against the store. All that unfinished builds need is looked at where some of it is missing.
   * Resolves with how many texts are lost, and the first.
   */
  check(): Promise<{ readonly lost: number; readonly first?: string }>;
}

const meta = { actor: 'derivation-store' };

/** Until what could not be read is read again: twice as long each time, up to the second. */
const firstWaitMs = 1000;
const longestWaitMs = 60_000;
const timer = 'texts';

/** A store that was emptied, or is older than the log, lacks more than this one in so many. */
const sample = 1000;

export function createTexts({ farm, writer, derivations, runtime, logger }: Core, deadlines: Deadlines): Texts {
  const { graph, queue, texts } = farm;
  /** Base names of what is lost as it could not be read, in the order in which it is read again. */
  const unread = new Set<string>();
  let waitMs = firstWaitMs;

  function note(
    drv: Drv,
    event: { type: 'DerivationTextLost'; reason: string } | { type: 'DerivationTextRestored' },
  ): void {
    const path = graph.drvPath(drv);
    const { type } = event;
    const written =
      type === 'DerivationTextLost'
        ? ({ type, data: { path, reason: event.reason.slice(0, 4096) } } as const)
        : ({ type, data: { path } } as const);
    writer.commit('derivation', path.slice(0, 32), texts.revision(drv), [written], meta);
  }

  function lost(drv: Drv, reason: string): void {
    if (texts.lost(drv) === undefined) note(drv, { type: 'DerivationTextLost', reason });
  }

  function readLater(): void {
    deadlines.set(timer, runtime.clock.now() + waitMs, waitMs, () => {
      readAgain().catch((error: Error) => {
        if (writer.failure !== undefined) return;
        logger.error({ err: error }, 'texts of derivations could not be read again; they are, later');
        readLater();
      });
    });
    waitMs = Math.min(2 * waitMs, longestWaitMs);
  }

  /** Up to the first that still cannot be: where one place of the disk is bad, that one comes last the next time. */
  async function readAgain(): Promise<void> {
    for (const path of unread) {
      unread.delete(path);
      if (known([path]).every((drv) => texts.lost(drv) === undefined)) continue;
      const text = await derivations.text(path).catch((error: Error) => error);
      if (writer.failure) return;
      if (text instanceof Error) {
        unread.add(path);
        return readLater();
      }
      if (text !== undefined) restore([path]);
    }
    waitMs = firstWaitMs;
  }

  function restore(paths: readonly string[]): void {
    for (const drv of known(paths)) if (texts.lost(drv) !== undefined) note(drv, { type: 'DerivationTextRestored' });
  }

  async function restoreHeld(drvs: readonly Drv[]): Promise<void> {
    if (drvs.length === 0) return;
    const paths = drvs.map(graph.drvPath);
    const missing = new Set(await derivations.missing(paths));
    restore(paths.filter((path) => !missing.has(path)));
  }

  async function lostOf(drvs: readonly Drv[]): Promise<readonly Drv[]> {
    return known(await derivations.missing(drvs.map(graph.drvPath)));
  }

  /** Those that were not forgotten while the store was asked. */
  const known = (paths: readonly string[]): Drv[] => paths.flatMap((path) => graph.drvOf(path) ?? []);

  return {
    lost,
    unread(drv, reason) {
      lost(drv, reason);
      unread.add(graph.drvPath(drv));
      if (deadlines.dueAt(timer) === undefined) readLater();
    },
    async sent(paths) {
      const drvs = known(paths).filter((drv) => texts.lost(drv) !== undefined);
      await restoreHeld(drvs);
    },
    async check() {
      await restoreHeld([...texts.all()]);
      const needed = () => Iterator.from(queue.unfinishedBuilds()).map(({ drv }) => drv);
      const some = await lostOf([...new Set(needed().take(sample))]);
      if (some.length > 0) for (const drv of await lostOf([...new Set(needed())])) lost(drv, gone);
      const all = [...texts.all()].filter((drv) => queue.isActive(drv));
      const [first] = all;
      return { lost: all.length, ...(first !== undefined && { first: graph.drvPath(first) }) };
    },
  };
}

/** Why a text is lost that the store simply does not have. */
export const gone = 'the derivation store does not have it any more';
