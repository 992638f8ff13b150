import type { LastFailure } from '../../domain/build/state.ts';
import type { Why } from '../../projections/why.ts';

/** Finds the whole message of a failure by its beginning; `undefined` where it is not known. */
export type MessageOf = (build: string, attempt: number, beginning: string) => string | undefined;

/**
 * The answer with the messages of failures whole: hot projections keep only their beginnings, as there may be a million builds
 * ({@link LastFailure}).
 */
export function withWholeMessages(why: Why, messageOf: MessageOf): Why {
  function whole(build: string, failure: LastFailure): LastFailure {
    if (!failure.message.endsWith('…')) return failure;
    const message = messageOf(build, failure.attempt, failure.message.slice(0, -1));
    return message === undefined ? failure : { ...failure, message };
  }
  const own = 'failure' in why && why.failure ? { failure: whole(why.build, why.failure) } : {};
  const blockers =
    'blockers' in why
      ? {
          blockers: why.blockers.map((blocker) =>
            blocker.failure && blocker.build !== undefined
              ? { ...blocker, failure: whole(blocker.build, blocker.failure) }
              : blocker,
          ),
        }
      : {};
  return { ...why, ...own, ...blockers } as Why;
}
