import type { BuildEvent } from '../../domain/build/events.ts';
import { type AttemptEnd, createAttemptBatch } from './attempt-batch.ts';
import * as sql from './build-sql.ts';
import { derivationName, hashPart, noteDerivation } from './derivation-writes.ts';
import type { Tables } from './tables.ts';
import { tagTerms } from './tag-terms.ts';

/**
 * Builds of one batch of events. Events change rows in memory; what has become of a build is written once, at the end. A build that has
 * ended stays in its end state, and what is heard of an attempt moves its build only while that is the last attempt.
 */
export interface BuildBatch {
  /**
   * @param id of the build, from its stream.
   * @param at when the event was stored, milliseconds since the Unix epoch.
   * @param position of the event in the log.
   */
  add(event: BuildEvent, id: string, at: number, position: string): void;
  end(): void;
}

const states = ['queued', 'allocated', 'running', 'succeeded', 'failed', 'canceled'] as const;
type State = (typeof states)[number];

/** What events change of a build, and what is in the table of that. */
interface Row {
  readonly seq: number;
  readonly submission: string;
  readonly stored: { readonly state: State; readonly agent: string | null; readonly ended_at: number | null };
  state: State;
  priority: number;
  options: string | null;
  attempt: number;
  agent: string | null;
  startedAt: number | null;
  endedAt: number | null;
  failureClass: string | null;
  failureMessage: string | null;
  changedAt: number;
  changed: string;
}

export function createBuildBatch(tables: Tables): BuildBatch {
  const rows = new Map<string, Row>();
  const counts = new Map<string, number[]>();
  const attempts = createAttemptBatch(tables);

  function rowOf(id: string): Row | undefined {
    const known = rows.get(id);
    if (known !== undefined) return known;
    const found = tables.get(sql.findBuild, [id]);
    if (found === undefined) return undefined;
    const [state, agent, endedAt] = [
      found.state as State,
      found.agent as string | null,
      found.ended_at as number | null,
    ];
    const row: Row = {
      seq: found.seq as number,
      submission: found.submission as string,
      stored: { state, agent, ended_at: endedAt },
      state,
      priority: found.priority as number,
      options: found.options as string | null,
      attempt: found.attempt as number,
      agent,
      startedAt: found.started_at as number | null,
      endedAt,
      failureClass: found.failure_class as string | null,
      failureMessage: found.failure_message as string | null,
      changedAt: 0,
      changed: '',
    };
    rows.set(id, row);
    return row;
  }

  function count(submission: string, state: State, by: number): void {
    const of = counts.get(submission) ?? states.map(() => 0);
    counts.set(submission, of);
    const index = states.indexOf(state);
    of[index] = (of[index] as number) + by;
  }

  function submit(
    data: Extract<BuildEvent, { type: 'BuildSubmitted' }>['data'],
    id: string,
    at: number,
    position: string,
  ) {
    const { derivation, submission, reason } = data;
    const { priority, tags, ...rest } = data.options;
    const hash = hashPart(derivation);
    const tagText = tags === undefined ? null : JSON.stringify(tags);
    const options = Object.keys(rest).length === 0 ? null : JSON.stringify(rest);
    const values = [id, at, submission, hash, reason, priority, tagText, options, position];
    if (tables.run(sql.addBuild, values) === 0) {
      // Its derivation may not have come yet.
      tables.run(noteDerivation, [hash, derivation, derivationName(derivation)]);
      if (tables.run(sql.addBuild, values) === 0) return;
    }
    count(submission, 'queued', 1);
    for (const term of tagTerms(tags ?? {})) tables.run(sql.tagBuild, [id, term]);
  }

  function change(
    event: Exclude<BuildEvent, { type: 'BuildSubmitted' }>,
    id: string,
    at: number,
    row: Row | undefined,
  ) {
    const ended = (attempt: number, outcome: string, end: Partial<AttemptEnd> = {}): void =>
      attempts.ended(id, attempt, at, { failureClass: null, failureMessage: null, logBytes: null, ...end, outcome });
    const isLast = (attempt: number): boolean => row !== undefined && row.attempt === attempt && row.endedAt === null;
    switch (event.type) {
      case 'BuildPrioritized':
        if (row) row.priority = event.data.priority;
        return;
      case 'BuildDeferred':
        if (row) row.options = deferred(row.options, event.data.until);
        return;
      case 'BuildAllocated': {
        const { attempt, agent } = event.data;
        attempts.opened(id, attempt, agent, at);
        if (row && row.endedAt === null) Object.assign(row, { state: 'allocated', attempt, agent, startedAt: null });
        return;
      }
      case 'BuildStarted': {
        const { attempt } = event.data;
        attempts.started(id, attempt, at);
        if (row && isLast(attempt)) Object.assign(row, { state: 'running', startedAt: at });
        return;
      }
      case 'BuildSetupFailed':
      case 'BuildAttemptFailed': {
        const { attempt, class: failureClass, message: failureMessage } = event.data;
        const logBytes = event.type === 'BuildAttemptFailed' ? (event.data.logBytes ?? null) : null;
        const outcome = event.type === 'BuildAttemptFailed' ? 'failed' : 'setup-failed';
        ended(attempt, outcome, { failureClass, failureMessage, logBytes });
        if (row && isLast(attempt)) Object.assign(row, { state: 'queued', failureClass, failureMessage });
        return;
      }
      case 'BuildRetryScheduled':
        if (row && isLast(event.data.attempt)) row.state = 'queued';
        return;
      case 'BuildReleased': {
        const { attempt, reason } = event.data;
        ended(attempt, 'released', { failureClass: reason, failureMessage: '' });
        if (row && isLast(attempt)) row.state = 'queued';
        return;
      }
      case 'BuildSucceeded': {
        const { attempt, agent, logBytes = null } = event.data;
        ended(attempt, 'succeeded', { logBytes });
        // Where there was only one attempt, nothing else runs.
        const isOnly = attempt === 1 && row?.attempt === 1;
        if (!isOnly) attempts.canceled(id, at);
        if (row === undefined) return;
        // The attempt that succeeded may be an earlier one than the last (I4): then the row tells of that one.
        if (row.attempt !== attempt) row.startedAt = attempts.startOf(id, attempt);
        Object.assign(row, { attempt, agent });
        end(row, 'succeeded', at);
        return;
      }
      case 'BuildSatisfied':
        attempts.canceled(id, at);
        if (row) end(row, 'succeeded', at);
        return;
      case 'BuildFailed': {
        const { class: failureClass, message: failureMessage } = event.data;
        attempts.canceled(id, at);
        if (row) end(row, 'failed', at, { failureClass, failureMessage });
        return;
      }
      case 'BuildCanceled':
        attempts.canceled(id, at);
        if (row) end(row, 'canceled', at, row);
        return;
      case 'BuildWantWithdrawn':
      // It goes on as it is.
      case 'BuildAttemptKept':
      // It has ended as far as anybody counts on it; a success of it would be told of.
      case 'OutputsDiverged':
        // The pool keeps what it has, so no row changes.
        return;
    }
  }

  return {
    add(event, id, at, position) {
      if (event.type === 'BuildSubmitted') return submit(event.data, id, at, position);
      const row = rowOf(id);
      change(event, id, at, row);
      if (row) Object.assign(row, { changedAt: at, changed: position });
    },
    end() {
      attempts.end();
      for (const row of rows.values()) {
        const { seq, submission, stored } = row;
        const indexed = { state: row.state, agent: row.agent, ended_at: row.endedAt };
        const named = sql.indexedColumns.filter((column) => indexed[column] !== stored[column]);
        const failure = [row.failureClass, row.failureMessage];
        const values = [
          seq,
          row.priority,
          row.options,
          row.attempt,
          row.startedAt,
          ...failure,
          row.changedAt,
          row.changed,
        ];
        tables.run(sql.changeBuild(named), [...values, ...named.map((column) => indexed[column])]);
        if (row.state === stored.state) continue;
        count(submission, stored.state, -1);
        count(submission, row.state, 1);
      }
      for (const [submission, of] of counts) tables.run(sql.countBuilds, [submission, ...of]);
    },
  };
}

function end(
  row: Row,
  state: State,
  at: number,
  { failureClass, failureMessage }: Pick<Row, 'failureClass' | 'failureMessage'> = noFailure,
): void {
  Object.assign(row, { state, endedAt: at, failureClass, failureMessage });
}

const noFailure = { failureClass: null, failureMessage: null };

/** Where nothing is left, there are no options. */
function deferred(options: string | null, until: number | undefined): string | null {
  const { deferUntil: _, ...rest } = options === null ? {} : JSON.parse(options);
  const all = until === undefined ? rest : { ...rest, deferUntil: until };
  return Object.keys(all).length === 0 ? null : JSON.stringify(all);
}
