import { headers, type MsgHdrs } from 'nats';
import * as z from 'zod';
import {
  type Commit,
  EventStoreError,
  type Meta,
  type StoredEvent,
  type StreamId,
} from '../../../coordinator/ports/event-store.ts';
import { formatPlace } from './subject.ts';

/** Header that tells our messages from what else may have been published on the subjects; its value is the version of the body. */
const formatHeader = 'Drover-Format';
const format = '1';
/** Our bodies begin with the same number, which is quicker to see than to take headers apart. */
const bodyStart = `{"format":${format},`;
const bodyStartBytes = Buffer.from(bodyStart);

/** The body of a commit's message; a public interface, described in docs/engines.md. */
const commitBody = z.object({
  stream: z.templateLiteral([z.string(), '-', z.string()]),
  commit: z.string(),
  /** Revision of the first event. */
  revision: z.number(),
  /** Sequence of the message before it on the same subject, 0 if there is none. */
  previous: z.number(),
  /** Token of the lease under which it was written; grows from one writer to the next. 0: written without a lease. */
  fence: z.number(),
  at: z.number(),
  meta: z.object({
    actor: z.string(),
    correlation: z.string().optional(),
    causation: z.string().optional(),
    trace: z.string().optional(),
  }),
  /** Hash of the commit before it in the log, docs/audit.md; absent in what was written before there were such. */
  previousHash: z.string().optional(),
  events: z.array(z.object({ type: z.string(), version: z.number(), data: z.unknown() })).min(1),
});
type CommitBody = z.infer<typeof commitBody>;

/** The body of the message with which a writer begins: who it is and where the log ended. */
const writerBody = z.object({ holder: z.string(), fence: z.number(), head: z.string().nullable() });
export type WriterBody = z.infer<typeof writerBody>;

export type LogMessage =
  | ({ readonly kind: 'commit'; readonly sequence: number } & CommitBody)
  | ({ readonly kind: 'writer'; readonly sequence: number } & WriterBody)
  /** Not written by a Drover; readers pass over it. */
  | { readonly kind: 'foreign'; readonly sequence: number };

/** The parts of a body that depend on the commit alone, made when it is handed over. */
export function encodeEvents(commit: Commit, encoded: readonly string[]): string {
  const events = commit.events.map(
    ({ type, version }, at) => `{"type":${JSON.stringify(type)},"version":${version},"data":${encoded[at]}}`,
  );
  const { stream, id, at, meta, previousHash } = commit;
  const hash = previousHash === undefined ? '' : `"previousHash":${JSON.stringify(previousHash)},`;
  return `"stream":${JSON.stringify(stream)},"commit":${JSON.stringify(id)},"at":${at},"meta":${JSON.stringify(meta)},${hash}"events":[${events.join(',')}]}`;
}

/** Bytes that everything else in a message can take: the numbers of the body, and headers without the commit's names. */
export const overheadBytes = 512;

export function encodeCommitMessage(
  rest: string,
  place: { revision: number; previous: number; fence: number },
): string {
  return `${bodyStart}"revision":${place.revision},"previous":${place.previous},"fence":${place.fence},${rest}`;
}

export interface Expectation {
  /** Sequence of the last message of the whole log. */
  readonly last: number;
  /** Id of that message, where it is still on its way. */
  readonly lastId?: string | undefined;
  /** Sequence of the last message of the subject, where it is known to be stored. */
  readonly lastOfSubject?: number | undefined;
}

/** A commit id is unique within its stream only where a caller is wrong, so both are in the id by which the server drops repeats. */
export function messageId(stream: StreamId, commit: string): string {
  const id = `${stream}/${commit}`;
  return /^[!-~]+$/.test(id) ? id : encodeURIComponent(id);
}

export function encodeHeaders(id: string, { last, lastId, lastOfSubject }: Expectation): MsgHdrs {
  const all = headers();
  all.append(formatHeader, format);
  all.append('Nats-Msg-Id', id);
  all.append('Nats-Expected-Last-Sequence', String(last));
  if (lastId !== undefined) all.append('Nats-Expected-Last-Msg-Id', lastId);
  if (lastOfSubject !== undefined) all.append('Nats-Expected-Last-Subject-Sequence', String(lastOfSubject));
  return all;
}

/** Body of the message with which a writer begins. */
export function encodeWriterMessage(body: WriterBody): string {
  return bodyStart + JSON.stringify(body).slice(1);
}

export interface RawMessage {
  readonly subject: string;
  readonly sequence: number;
  /** Taken apart when asked for. */
  headers(): MsgHdrs | undefined;
  readonly data: Uint8Array;
}

const utf8 = new TextDecoder();

/** Throws `damaged` for what claims to be ours and cannot be read, `newer-schema` for what a newer Drover wrote. */
export function decodeMessage({ subject, sequence, headers, data }: RawMessage): LogMessage {
  const quick = data.length > bodyStartBytes.length && bodyStartBytes.compare(data, 0, bodyStartBytes.length) === 0;
  const version = quick ? format : (headers()?.get(formatHeader) ?? '');
  if (version === '') return { kind: 'foreign', sequence };
  if (version !== format) {
    throw new EventStoreError(
      'newer-schema',
      `Message ${sequence} on ${subject} was written by a newer Drover (format ${version}, this one knows ${format}). Start that version`,
    );
  }
  try {
    const body: unknown = JSON.parse(utf8.decode(data));
    if (subject.endsWith('._writer')) return { kind: 'writer', sequence, ...writerBody.parse(body) };
    return { kind: 'commit', sequence, ...checkCommit(body) };
  } catch (error) {
    throw new EventStoreError(
      'damaged',
      `Message ${sequence} on ${subject} cannot be read: ${error instanceof Error ? error.message : error}`,
      {
        cause: error,
      },
    );
  }
}

/** The schema only where a quick look finds something odd: replay reads hundreds of thousands of these a second. */
function checkCommit(body: unknown): CommitBody {
  const { stream, commit, revision, previous, meta, events } = body as Partial<CommitBody>;
  const plausible =
    typeof stream === 'string' &&
    typeof commit === 'string' &&
    typeof revision === 'number' &&
    typeof previous === 'number';
  const whole =
    plausible &&
    typeof meta?.actor === 'string' &&
    Array.isArray(events) &&
    events.every(({ type }) => typeof type === 'string');
  return whole ? (body as CommitBody) : commitBody.parse(body);
}

/**
 * The events of a commit's message as the port gives them.
 *
 * @param raw of the message, where the text that is stored of each is wanted. A body in other words than ours, which another has
 *   written, is that text as a whole: no hash fits it.
 */
export function storedEvents(message: Extract<LogMessage, { kind: 'commit' }>, raw?: RawMessage): StoredEvent[] {
  const body = raw && utf8.decode(raw.data);
  const text = (data: unknown) => (isPlain ? JSON.stringify(data) : body);
  const isPlain = body !== undefined && JSON.stringify(JSON.parse(body)) === body;
  const { stream, commit, revision, at, sequence, previousHash } = message;
  const meta = message.meta as Meta;
  return message.events.map(({ type, version, data }, index) => ({
    stream: stream as StreamId,
    revision: revision + index,
    position: formatPlace(sequence, index),
    type,
    version,
    at,
    commit,
    meta,
    ...(previousHash !== undefined && { previousHash }),
    ...(body !== undefined && { json: text(data) as string }),
    data,
  }));
}
