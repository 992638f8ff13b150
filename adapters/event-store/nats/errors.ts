import { ErrorCode, NatsError } from 'nats';
import { EventStoreError, type EventStoreErrorCode } from '../../../coordinator/ports/event-store.ts';
import type { LogMessage } from './commit-message.ts';

/** Error codes of the JetStream API (server/errors.json of nats-server 2.9.10). */
const wrongExpectation = [10070, 10071, 10164];
/** Insufficient, memory or storage resources; maximum messages or bytes of the stream; maximum of the account. */
const noSpace = [10002, 10023, 10028, 10047, 10077, 10110];
const noSuchMessage = 10037;
const noSuchStream = 10059;
const noPeers = 10005;
/** No leader of the cluster, or none that has answered yet. */
const noLeader = [10008, 10009];

/** `err_code` of an answer of JetStream, if the error is one. */
function apiCode(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

export const isConflict = (error: unknown): boolean => wrongExpectation.includes(apiCode(error) ?? 0);
export const isMissingMessage = (error: unknown): boolean => apiCode(error) === noSuchMessage;
export const isMissingStream = (error: unknown): boolean => apiCode(error) === noSuchStream;
/** There are not as many servers as a stream is to have copies, or not all of them are known, connected and have room. */
export const isWithoutPeers = (error: unknown): boolean => apiCode(error) === noPeers;

/** What a cluster answers whose servers have not all found each other yet; without a leader at times nobody answers. */
export function isForming(error: unknown): boolean {
  const unanswered = error instanceof NatsError && error.code === ErrorCode.Timeout;
  return unanswered || isWithoutPeers(error) || noLeader.includes(apiCode(error) ?? 0);
}

/** What an error of the client says, in the server's words where they are there. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof NatsError)) return String(error);
  if (error.code === ErrorCode.Timeout) return 'no answer';
  return error.api_error?.description ?? error.message;
}

/** What a refused publish means: `conflict` the log is not where we thought, `later` ask again, or an end of all writing. */
export function classifyRefusal(code: number, text: string): 'conflict' | 'later' | EventStoreError {
  if (wrongExpectation.includes(code)) return 'conflict';
  if (noSpace.includes(code))
    return new EventStoreError(
      'disk-full',
      `NATS has no room for the log: ${text}. Nothing acknowledged is lost. Free space or raise the limits: a coordinator that runs then goes on by itself`,
    );
  // 10008: temporarily unavailable; 10009: no leader; 10039: not enabled for the account (while a server starts); 10074, 10076: no quorum yet.
  if ([10008, 10009, 10039, 10074, 10076].includes(code) || code === 503) return 'later';
  return new EventStoreError('unavailable', `NATS refused a commit: ${text} (${code})`);
}

/** Brings an error of the client into the port's terms; others' bugs pass unchanged. */
export function toStoreError(error: unknown, doing: string): unknown {
  if (!(error instanceof NatsError)) return error;
  return new EventStoreError('unavailable', `NATS, ${doing}: ${reasonOf(error)}`, {
    cause: error,
  });
}

const fatal: readonly EventStoreErrorCode[] = ['damaged', 'newer-schema', 'lease-lost', 'closed'];
/** Asking again does not help. */
export function isFatal(error: unknown): error is EventStoreError {
  return error instanceof EventStoreError && fatal.includes(error.code);
}

/** An error of ours: trying again would give the same. */
export function broken(error: unknown): EventStoreError {
  return new EventStoreError('unavailable', `The writer of the log failed: ${error}`, { cause: error });
}

/** Another's message is where only ours could be. */
export function deposedBy(message: LogMessage, log: string): EventStoreError {
  let who = 'something that is no Drover';
  if (message.kind === 'writer') who = message.holder;
  if (message.kind === 'commit') who = `the holder of lease ${message.fence}`;
  return new EventStoreError(
    'lease-lost',
    `Message ${message.sequence} of the log ${log} is by ${who}: this coordinator is not the one that writes any more, and writes nothing more`,
  );
}
