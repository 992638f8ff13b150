import { EventStoreError } from '../../../coordinator/ports/event-store.ts';

/** Fields of the client's errors: `type` says which, and survives copies of the package. */
interface ClientError extends Error {
  readonly type?: string;
  readonly actualVersion?: bigint | 'no_stream';
}

const typeOf = (error: unknown) => (error as ClientError | undefined)?.type;

export const isStreamNotFound = (error: unknown): boolean => typeOf(error) === 'stream-not-found';
export const isConflict = (error: unknown): boolean => typeOf(error) === 'wrong-expected-version';

/** What no second try will change. Everything else is trouble on the way, and its outcome is not known. */
const refusals: Record<string, string> = {
  'access-denied': 'the server denies access: check user, password and the access control lists of the streams',
  'stream-deleted': 'the stream has been deleted for good (a tombstone); restore a backup',
  'maximum-append-size-exceeded':
    'the commit is larger than the server takes: raise its MaxAppendSize, or lower maxAppendBytes to what it says',
  'invalid-argument': 'the client refused the call',
  unsupported: 'the server is too old',
};

/** The error to give up with at once, `undefined` if a second try makes sense. */
export function toRefusal(error: unknown, where: string): Error | undefined {
  if (error instanceof EventStoreError || error instanceof TypeError) return error;
  const type = typeOf(error) ?? '';
  const text = refusals[type];
  if (!text) return undefined;
  const code = type === 'maximum-append-size-exceeded' ? 'too-large' : 'unavailable';
  return new EventStoreError(code, `Event store ${where}: ${text}`, { cause: error });
}

/** No error of the client's, no server, the call ended by the server, and what the client has no name for. */
const broken: readonly (string | undefined)[] = [undefined, 'unavailable', 'cancelled', 'unknown'];

/** Whether the connection is to be thrown away, rather than only the call tried again. */
export function isBrokenConnection(error: unknown): boolean {
  // `unknown` is also how an append ends when another client of the process is closed: its own answer is still to come, and the client, which has
  // forgotten the append, would throw at it where nobody catches.
  return broken.includes(typeOf(error));
}
