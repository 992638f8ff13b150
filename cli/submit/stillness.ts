import type { Why } from '../../coordinator/application.ts';

export interface Stillness extends Disposable {
  /** How many of the builds agents have now. */
  seen(live: number): void;
}

export interface StillnessOptions {
  /** The builds that wait. */
  queued(): Iterable<string>;
  /** Rejections are taken for "not known": it is asked again later. */
  ask(build: string): Promise<Why>;
  /** What keeps everything waiting, in the coordinator's words; not the same ones twice in a row. */
  found(build: string, summary: string): void;
  /** Milliseconds for which nothing has run before it is asked, and between two questions. */
  readonly pauseMs?: number;
}

/** Of as many builds it is asked at a time: those that wait for others say nothing that is worth a line. */
const most = 20;

/** Tells why nothing runs where that goes on for a while: a bar that stands still does not. */
export function watchForStillness({ queued, ask, found, pauseMs = 5000 }: StillnessOptions): Stillness {
  let timer: NodeJS.Timeout | undefined;
  let said: string | undefined;
  /** Counts up whenever something runs again: what was asked before says nothing then. */
  let turn = 0;

  async function look(): Promise<void> {
    const mine = turn;
    for (const build of [...queued()].slice(-most)) {
      const why = await ask(build).catch(() => undefined);
      if (turn !== mine) return;
      if (why?.reason !== 'no-agent' && why?.reason !== 'no-slot') continue;
      if (why.reason === 'no-agent' && why.summary !== said) found(build, why.summary);
      said = why.summary;
      break;
    }
    timer = setTimeout(() => void look(), pauseMs);
  }

  function stop(): void {
    turn++;
    said = undefined;
    clearTimeout(timer);
    timer = undefined;
  }

  return {
    seen(live) {
      if (live > 0) stop();
      else timer ??= setTimeout(() => void look(), pauseMs);
    },
    [Symbol.dispose]: stop,
  };
}
