import type { Outlook } from '../../coordinator/application.ts';

export interface OutlookWatchOptions {
  /** How it stands now; rejections are taken for "not known", and it is asked again later. */
  ask(): Promise<Outlook>;
  found(outlook: Outlook): void;
  /** Milliseconds between an answer and the next question, at least; a longer answer is waited for longer. */
  readonly pauseMs?: number;
  /** Milliseconds by some clock that does not jump. */
  clock(): number;
}

/** An answer is given so many times as long to rest as it took. */
const restFactor = 10;

/** Asks again and again how far a submission is, as long as somebody looks. */
export function watchOutlook({ ask, found, pauseMs = 1000, clock }: OutlookWatchOptions): Disposable {
  let timer: NodeJS.Timeout | undefined;
  let over = false;

  async function look(): Promise<void> {
    const begun = clock();
    const outlook = await ask().catch(() => undefined);
    if (over) return;
    if (outlook !== undefined) found(outlook);
    const rest = outlook === undefined ? 5 * pauseMs : Math.max(pauseMs, (clock() - begun) * restFactor);
    timer = setTimeout(() => void look(), rest);
  }
  void look();
  return {
    [Symbol.dispose]() {
      over = true;
      clearTimeout(timer);
    },
  };
}
