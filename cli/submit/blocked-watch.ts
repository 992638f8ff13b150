import type { Blockage } from '../../coordinator/application.ts';

export interface BlockedWatch extends Disposable {
  /** Something has changed after which all that is waited for may be blocked. */
  consider(): void;
}

export interface BlockedWatchOptions {
  /** How the coordinator sees it now; rejections are taken for "not known", and it is asked again. */
  ask(): Promise<Blockage>;
  /** Called when nothing that is waited for can run any more without somebody's help; again only after a further change. */
  found(blockage: Blockage): void;
  /** Milliseconds between two questions, and before the first. */
  readonly pauseMs?: number;
}

/**
 * Finds out when all builds that have not ended are blocked. It asks after a change, a moment later, and believes it at the second time in
 * a row: a rebuild may just be about to be submitted.
 */
export function watchForBlocked({ ask, found, pauseMs = 1000 }: BlockedWatchOptions): BlockedWatch {
  let timer: NodeJS.Timeout | undefined;
  let asking = false;
  let again = false;
  let inARow = 0;
  let over = false;

  async function look(): Promise<void> {
    timer = undefined;
    asking = true;
    again = false;
    try {
      const blockage = await ask();
      // An agent may come by itself: how long that is waited for is told elsewhere.
      const stuck = blockage.blocked - (blockage.agentless ?? 0);
      inARow = blockage.unfinished > 0 && stuck === blockage.unfinished ? inARow + 1 : 0;
      if (inARow === 2 && !over) found(blockage);
      again ||= inARow === 1;
    } catch {
      again = true;
    }
    asking = false;
    if (again) consider();
  }

  function consider(): void {
    if (over || timer !== undefined) return;
    if (asking) again = true;
    else timer = setTimeout(() => void look(), pauseMs);
  }

  return {
    consider,
    [Symbol.dispose]() {
      over = true;
      clearTimeout(timer);
    },
  };
}
