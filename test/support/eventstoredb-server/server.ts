import type { ServerDuplexStream, ServerReadableStream, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { freePort } from '../free-port.ts';
import { type DoubleLog, type LogRecord, openDoubleLog, type ProposedRecord } from './log.ts';
import {
  appendResponse,
  batchResponse,
  checkpointResponse,
  confirmationResponse,
  eventResponse,
  expectedOfAppend,
  expectedOfBatch,
  notFoundResponse,
  readProposed,
  textOf,
} from './messages.ts';
import { features, grpc, ServerFeaturesService, StreamsService, type streams } from './stubs.ts';

type ReadRequest = InstanceType<typeof streams.ReadReq>;
type ReadOptions = InstanceType<typeof streams.ReadReq.Options>;
type ReadResponse = InstanceType<typeof streams.ReadResp>;
type AppendRequest = InstanceType<typeof streams.AppendReq>;
type AppendResponse = InstanceType<typeof streams.AppendResp>;
type BatchRequest = InstanceType<typeof streams.BatchAppendReq>;
type BatchResponse = InstanceType<typeof streams.BatchAppendResp>;

/** `swallow` stores and never answers, `ignore` does neither, `deny` answers that access is denied. */
export type AppendMode = 'answer' | 'swallow' | 'ignore' | 'deny';

export interface EventStoreDouble extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly log: DoubleLog;
  /** Records that were sent to reads which are no subscriptions, so far. */
  readonly recordsRead: number;
  /** Breaks all connections and subscriptions; new ones are taken. */
  dropConnections(): Promise<void>;
  /** What is done with the appends that come from now on, except those to the lease stream, which have a mode of their own. */
  onAppends(how: AppendMode): void;
  onLease(how: AppendMode): void;
  /** When each batch came that is not to the lease stream, and until when its writer wanted it stored; milliseconds since the epoch. */
  readonly deadlines: readonly { readonly arrived: number; readonly deadline: number }[];
  /** Resolves with the stream's name when the next append arrives that is not to the lease stream. */
  nextAppend(): Promise<string>;
}
export interface DoubleOptions {
  /** Where the log is kept; in memory without it. */
  readonly dir?: string;
  readonly port?: number;
}

/**
 * A stand-in for EventStoreDB, so that the stock client and the adapter on it can be tested without one. It is not
 * EventStoreDB: a few hundred lines over the client's own generated stubs that know append (both ways), batches, reads
 * and catch-up subscriptions of one stream and of `$all`, expected revisions, idempotence by event id, deadlines of
 * batches, and a type filter. No cluster, no TLS, no access control, no projections, no scavenging, no fsync. That the
 * adapter passes here says that it uses the protocol as its author understood it; only a run against a real server
 * (DROVER_TEST_EVENTSTORE_URL) says more.
 */
export async function startEventStoreDouble({ dir, port: wanted }: DoubleOptions = {}): Promise<EventStoreDouble> {
  const log = openDoubleLog(dir);
  const deadlines: { arrived: number; deadline: number }[] = [];
  let mode: AppendMode = 'answer';
  let leaseMode: AppendMode = 'answer';
  let recordsRead = 0;
  let arrived = Promise.withResolvers<string>();
  const modeFor = (stream: string): AppendMode => {
    if (stream.startsWith('$')) return 'answer';
    if (stream.endsWith('.lease')) return leaseMode;
    arrived.resolve(stream);
    arrived = Promise.withResolvers();
    return mode;
  };
  let server = makeServer();
  const port = wanted ?? (await freePort());
  await bind();

  function makeServer() {
    const made = new grpc.Server({ 'grpc.max_receive_message_length': 20 * 1024 * 1024 });
    made.addService(StreamsService as never, { read, append, batchAppend, delete: refuse, tombstone: refuse } as never);
    made.addService(ServerFeaturesService as never, { getSupportedMethods } as never);
    return made;
  }
  function bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  function read(call: ServerWritableStream<ReadRequest, ReadResponse>): void {
    const options = call.request.getOptions() as ReadOptions;
    if (options.hasSubscription()) subscription(call, options);
    else {
      pump(call, readOnce(options)).then(
        () => call.end(),
        () => {},
      );
    }
  }
  /** Records for one read. Forward it starts with the record at the position, backward with the one before it. */
  function* readOnce(options: ReadOptions): Generator<ReadResponse> {
    const backward = options.getReadDirection() === 1;
    const count = Number(options.getCount());
    let records: readonly LogRecord[] = log.records;
    let at: number;
    const stream = options.getStream();
    const all = options.getAll();
    if (stream) {
      const name = textOf(stream.getStreamIdentifier()?.getStreamName_asU8());
      records = log.stream(name);
      if (records.length === 0) return void (yield notFoundResponse(name));
      at = stream.hasStart() ? 0 : stream.hasEnd() ? records.length - 1 : Number(stream.getRevision());
    } else {
      const place = Number(all?.getPosition()?.getCommitPosition() ?? 0);
      at = all?.hasStart() ? 0 : all?.hasEnd() ? records.length : log.indexOf(place);
      if (backward) at--;
    }
    // As the server does, without what is appended while it reads.
    const length = records.length;
    for (let left = count; left > 0 && at >= 0 && at < length; left--, at += backward ? -1 : 1) {
      recordsRead++;
      yield eventResponse(records[at] as LogRecord);
    }
  }

  function subscription(call: ServerWritableStream<ReadRequest, ReadResponse>, options: ReadOptions): void {
    const stream = options.getStream();
    const all = options.getAll();
    const name = textOf(stream?.getStreamIdentifier()?.getStreamName_asU8());
    const source = () => (stream ? log.stream(name) : log.records);
    const filter = options.getFilter();
    const pattern = filter?.getEventType()?.getRegex();
    const regex = pattern ? new RegExp(pattern, 'u') : undefined;
    const checkpointEvery = 32 * (filter?.getCheckpointintervalmultiplier() ?? 1);
    let at = 0;
    // Both kinds of subscription start after the place that is given.
    if (stream?.hasRevision()) at = Number(stream.getRevision()) + 1;
    else if (all?.hasPosition()) at = log.indexOf(Number(all.getPosition()?.getCommitPosition()) + 1);
    else if (stream?.hasEnd() || all?.hasEnd()) at = source().length;
    let passed = 0;
    function* next(): Generator<ReadResponse> {
      for (; at < source().length; at++) {
        const record = source()[at] as LogRecord;
        if (!regex || regex.test(record.type)) yield eventResponse(record);
        if (filter && ++passed % checkpointEvery === 0) yield checkpointResponse(record);
      }
    }
    let pumping = Promise.resolve();
    const more = () => {
      pumping = pumping.then(() => pump(call, next())).catch(() => {});
    };
    const stop = log.onAppend(more);
    call.on('cancelled', stop);
    call.on('close', stop);
    call.write(confirmationResponse());
    more();
  }
  async function pump(call: ServerWritableStream<ReadRequest, ReadResponse>, responses: Iterable<ReadResponse>) {
    for (const response of responses) {
      if (call.cancelled || call.destroyed) return;
      if (!call.write(response)) await drained(call);
    }
  }
  function drained(call: ServerWritableStream<ReadRequest, ReadResponse>): Promise<void> {
    return new Promise((resolve) => {
      const events = ['drain', 'cancelled', 'close'];
      const done = () => {
        for (const event of events) call.off(event, done);
        resolve();
      };
      for (const event of events) call.on(event, done);
    });
  }

  function append(
    call: ServerReadableStream<AppendRequest, AppendResponse>,
    answer: sendUnaryData<AppendResponse>,
  ): void {
    let options: ReturnType<AppendRequest['getOptions']>;
    const proposed: ProposedRecord[] = [];
    call.on('data', (message: AppendRequest) => {
      options ??= message.getOptions();
      const event = message.getProposedMessage();
      if (event) proposed.push(readProposed(event));
    });
    call.on('error', () => {});
    call.on('end', () => {
      if (!options) return;
      const name = textOf(options.getStreamIdentifier()?.getStreamName_asU8());
      const how = modeFor(name);
      if (how === 'ignore') return;
      if (how === 'deny') return answer({ code: grpc.status.UNAUTHENTICATED, details: 'denied by the double' });
      const outcome = log.append(name, expectedOfAppend(options), proposed);
      if (how === 'answer') answer(null, appendResponse(outcome));
    });
  }
  function batchAppend(call: ServerDuplexStream<BatchRequest, BatchResponse>): void {
    const pending = new Map<
      string,
      { options: NonNullable<ReturnType<BatchRequest['getOptions']>>; proposed: ProposedRecord[] }
    >();
    call.on('data', (message: BatchRequest) => {
      const id = message.getCorrelationId()?.getString() ?? '';
      const options = message.getOptions() ?? pending.get(id)?.options;
      if (!options) return;
      const found = pending.get(id) ?? { options, proposed: [] };
      pending.set(id, found);
      for (const event of message.getProposedMessagesList()) found.proposed.push(readProposed(event));
      if (!message.getIsFinal()) return;
      pending.delete(id);
      const name = textOf(options.getStreamIdentifier()?.getStreamName_asU8());
      const how = modeFor(name);
      if (how === 'ignore') return;
      if (how === 'deny') return void call.write(batchResponse(message, options, 'denied'));
      const deadline = options.getDeadline()?.toDate().getTime() ?? Number.POSITIVE_INFINITY;
      if (!name.endsWith('.lease')) deadlines.push({ arrived: Date.now(), deadline });
      const outcome = deadline <= Date.now() ? 'timeout' : log.append(name, expectedOfBatch(options), found.proposed);
      if (how === 'answer') call.write(batchResponse(message, options, outcome));
    });
    call.on('error', () => {});
    call.on('end', () => call.end());
  }
  function refuse(_call: unknown, answer: sendUnaryData<never>): void {
    answer({ code: grpc.status.UNIMPLEMENTED, details: 'the double deletes nothing' });
  }
  function getSupportedMethods(
    _call: unknown,
    answer: sendUnaryData<InstanceType<typeof features.SupportedMethods>>,
  ): void {
    const method = new features.SupportedMethod();
    method.setServiceName('event_store.client.streams.streams').setMethodName('batchappend');
    answer(null, new features.SupportedMethods().setMethodsList([method]).setEventStoreServerVersion('0.0.0-double'));
  }

  return {
    port,
    url: `esdb://127.0.0.1:${port}?tls=false`,
    log,
    get recordsRead() {
      return recordsRead;
    },
    deadlines,
    onAppends: (next) => {
      mode = next;
    },
    onLease: (next) => {
      leaseMode = next;
    },
    nextAppend: () => arrived.promise,
    async dropConnections() {
      server.forceShutdown();
      server = makeServer();
      await bind();
    },
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}
