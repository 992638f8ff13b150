import { cancelAttempts, endAttempt, findAttemptStart, putAttempt, startAttempt } from './attempt-sql.ts';
import type { Tables } from './tables.ts';

/** How an attempt ended; `logBytes` is `null` where nobody said. */
export interface AttemptEnd {
  readonly outcome: string;
  readonly failureClass: string | null;
  readonly failureMessage: string | null;
  readonly logBytes: number | null;
}

/** Attempts of one batch of events: what several events say of one of them is one write. */
export interface AttemptBatch {
  opened(build: string, attempt: number, agent: string, at: number): void;
  started(build: string, attempt: number, at: number): void;
  ended(build: string, attempt: number, at: number, end: AttemptEnd): void;
  /** All that still run of the build are stopped. */
  canceled(build: string, at: number): void;
  /** When it was started, `null` where it was not. */
  startOf(build: string, attempt: number): number | null;
  end(): void;
}

/** What this batch says of an attempt. Without `opening` its row is there already, or nowhere. */
interface Change {
  opening?: { readonly agent: string; readonly at: number };
  startedAt?: number;
  ending?: { at: number } & AttemptEnd;
}

export function createAttemptBatch(tables: Tables): AttemptBatch {
  const builds = new Map<string, Map<number, Change>>();

  function changeOf(build: string, attempt: number): Change {
    const changes = builds.get(build) ?? new Map<number, Change>();
    builds.set(build, changes);
    const change = changes.get(attempt) ?? {};
    changes.set(attempt, change);
    return change;
  }

  function write(build: string, attempt: number, { opening, startedAt, ending }: Change): void {
    if (opening) {
      const { at, outcome, failureClass, failureMessage, logBytes } = ending ?? running;
      const end = [at, outcome, failureClass, failureMessage, logBytes];
      tables.run(putAttempt, [build, attempt, opening.agent, opening.at, startedAt ?? null, ...end]);
      return;
    }
    if (startedAt !== undefined) tables.run(startAttempt, [build, attempt, startedAt]);
    if (ending === undefined) return;
    const { at, outcome, failureClass, failureMessage, logBytes } = ending;
    tables.run(endAttempt, [build, attempt, at, outcome, failureClass, failureMessage, logBytes]);
  }

  function flush(build: string): void {
    for (const [attempt, change] of builds.get(build) ?? []) write(build, attempt, change);
    builds.delete(build);
  }

  return {
    opened(build, attempt, agent, at) {
      const change = changeOf(build, attempt);
      change.opening = { agent, at };
      delete change.startedAt;
      delete change.ending;
    },
    started(build, attempt, at) {
      changeOf(build, attempt).startedAt = at;
    },
    ended(build, attempt, at, end) {
      const change = changeOf(build, attempt);
      change.ending = { ...end, at, logBytes: end.logBytes ?? change.ending?.logBytes ?? null };
    },
    canceled(build, at) {
      flush(build);
      tables.run(cancelAttempts, [build, at]);
    },
    startOf(build, attempt) {
      const change = builds.get(build)?.get(attempt);
      if (change?.startedAt !== undefined) return change.startedAt;
      if (change?.opening) return null;
      return (tables.get(findAttemptStart, [build, attempt])?.started_at ?? null) as number | null;
    },
    end() {
      for (const build of [...builds.keys()]) flush(build);
    },
  };
}

const running = { at: null, outcome: 'running', failureClass: null, failureMessage: null, logBytes: null } as const;
