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
  /** No agent has taken any of them for `patienceMs`, and they wait for nothing else. Called once. */
  gaveUp?(): void;
  readonly patienceMs?: number;
  /** Milliseconds for which nothing has run before it is asked, and between two questions. */
  readonly pauseMs?: number;
}

/** Of as many builds it is asked at a time: those that wait for others say nothing that is worth a line. */
const most = 20;

/** What does not end by itself. */
const lasting: ReadonlySet<string> = new Set(['no-agent', 'inputs', 'text-lost']);

/** Tells why nothing runs where that goes on for a while: a bar that stands still does not. */
export function watchForStillness({
  queued,
  ask,
  found,
  gaveUp = () => {},
  patienceMs = Number.POSITIVE_INFINITY,
  pauseMs = 5000,
}: StillnessOptions): Stillness {
  let timer: NodeJS.Timeout | undefined;
  let said: string | undefined;
  /** For how many looks all that was looked at has waited for agents that do not come. */
  let agentlessLooks = 0;
  /** Counts up whenever something runs again: what was asked before says nothing then. */
  let turn = 0;
  /** How many looks there were: each takes the next builds from the end. */
  let looks = 0;

  async function look(): Promise<void> {
    const mine = turn;
    const all = [...queued()];
    const last = all.length - ((looks++ * most) % Math.max(all.length, 1));
    let agentless = false;
    let hope = false;
    for (const build of all.slice(Math.max(0, last - most), last)) {
      const why = await ask(build).catch(() => undefined);
      if (turn !== mine) return;
      // Nobody knows, or an agent has it, will have it, or may have it again soon.
      hope ||= why === undefined || !lasting.has(why.reason);
      if (agentless || (why?.reason !== 'no-agent' && why?.reason !== 'no-slot')) continue;
      agentless = why.reason === 'no-agent';
      if (agentless && why.summary !== said) found(build, why.summary);
      said = why.summary;
    }
    if (hope) agentlessLooks = 0;
    else if (agentless || agentlessLooks > 0) agentlessLooks++;
    if (agentlessLooks * pauseMs >= patienceMs) return gaveUp();
    timer = setTimeout(() => void look(), pauseMs);
  }

  function stop(): void {
    turn++;
    said = undefined;
    agentlessLooks = 0;
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
