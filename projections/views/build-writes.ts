import type { BuildEvent } from '../../domain/build/events.ts';
import { cancelAttempts, endAttempt, openAttempt, startAttempt } from './attempt-sql.ts';
import * as build from './build-sql.ts';
import { derivationName, hashPart, noteDerivation } from './derivation-writes.ts';
import { tagTerms } from './tag-terms.ts';
import type { SqlValue, Write } from './write.ts';

/**
 * @param id of the build, from its stream.
 * @param at when the event was stored, milliseconds since the Unix epoch.
 * @param position of the event in the log.
 */
export function buildWrites(event: BuildEvent, id: string, at: number, position: string): readonly Write[] {
  if (event.type === 'BuildSubmitted') return submittedWrites(event.data, id, at, position);
  return [...changes(event, id, at), write(build.touchBuild, id, at, position)];
}

function changes(event: Exclude<BuildEvent, { type: 'BuildSubmitted' }>, id: string, at: number): readonly Write[] {
  switch (event.type) {
    case 'BuildPrioritized':
      return [write(build.prioritizeBuild, id, event.data.priority)];
    case 'BuildDeferred':
      return [write(build.deferBuild, id, event.data.until ?? null)];
    case 'BuildAllocated': {
      const { attempt, agent } = event.data;
      return [write(build.allocateBuild, id, attempt, agent), write(openAttempt, id, attempt, agent, at)];
    }
    case 'BuildStarted': {
      const { attempt } = event.data;
      return [write(build.startBuild, id, attempt, at), write(startAttempt, id, attempt, at)];
    }
    case 'BuildSetupFailed': {
      const { attempt, class: failure, message } = event.data;
      return [
        write(build.queueFailedBuild, id, attempt, failure, message),
        write(endAttempt, id, attempt, at, 'setup-failed', failure, message, null),
      ];
    }
    case 'BuildAttemptFailed': {
      const { attempt, class: failure, message, logBytes } = event.data;
      return [
        write(build.queueFailedBuild, id, attempt, failure, message),
        write(endAttempt, id, attempt, at, 'failed', failure, message, logBytes ?? null),
      ];
    }
    case 'BuildRetryScheduled':
      return [write(build.queueBuild, id, event.data.attempt)];
    case 'BuildReleased': {
      const { attempt, reason } = event.data;
      return [write(build.queueBuild, id, attempt), write(endAttempt, id, attempt, at, 'released', reason, '', null)];
    }
    case 'BuildSucceeded': {
      const { attempt, agent, logBytes } = event.data;
      return [
        write(build.succeedBuild, id, attempt, agent, at),
        write(endAttempt, id, attempt, at, 'succeeded', null, null, logBytes ?? null),
        write(cancelAttempts, id, at),
      ];
    }
    case 'BuildSatisfied':
      return [write(build.satisfyBuild, id, at), write(cancelAttempts, id, at)];
    case 'BuildFailed': {
      const { class: failure, message } = event.data;
      return [write(build.failBuild, id, at, failure, message), write(cancelAttempts, id, at)];
    }
    case 'BuildCanceled':
      return [write(build.cancelBuild, id, at), write(cancelAttempts, id, at)];
    case 'BuildWantWithdrawn':
      // It goes on as it is.
      return [];
    case 'BuildAttemptKept':
      // It has ended as far as anybody counts on it; a success of it would be told of.
      return [];
    case 'OutputsDiverged':
      // The pool keeps what it has, so no row changes.
      return [];
  }
}

function submittedWrites(
  data: Extract<BuildEvent, { type: 'BuildSubmitted' }>['data'],
  id: string,
  at: number,
  position: string,
): readonly Write[] {
  const { derivation, submission, reason } = data;
  const { priority, tags, ...rest } = data.options;
  const hash = hashPart(derivation);
  const tagText = tags === undefined ? null : JSON.stringify(tags);
  const options = Object.keys(rest).length === 0 ? null : JSON.stringify(rest);
  const writes = [
    write(noteDerivation, hash, derivation, derivationName(derivation)),
    write(build.addBuild, id, at, submission, hash, reason, priority, tagText, options, position),
  ];
  for (const term of tagTerms(tags ?? {})) writes.push(write(build.tagBuild, id, term));
  return writes;
}

function write(sql: string, ...values: SqlValue[]): Write {
  return { sql, values };
}
