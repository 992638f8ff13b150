import type { AppendOutcome, ExpectedRevision, LogRecord, ProposedRecord } from './log.ts';
import { Any, shared, status, streams } from './stubs.ts';

type AppendResponse = InstanceType<typeof streams.AppendResp>;
type BatchResponse = InstanceType<typeof streams.BatchAppendResp>;
type BatchRequest = InstanceType<typeof streams.BatchAppendReq>;
type AppendOptions = InstanceType<typeof streams.AppendReq.Options>;
type BatchOptions = InstanceType<typeof streams.BatchAppendReq.Options>;
type ReadResponse = InstanceType<typeof streams.ReadResp>;

/** Translates between the messages of the wire and what the double's log knows. */
export function readProposed(message: {
  getId(): InstanceType<typeof shared.UUID> | undefined;
  getMetadataMap(): { get(key: string): string | undefined };
  getData_asB64(): string;
  getCustomMetadata_asB64(): string;
}): ProposedRecord {
  return {
    id: message.getId()?.getString() ?? '',
    type: message.getMetadataMap().get('type') ?? '',
    contentType: message.getMetadataMap().get('content-type') ?? '',
    data: message.getData_asB64(),
    metadata: message.getCustomMetadata_asB64(),
  };
}

export const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('utf8');

export function expectedOfAppend(options: AppendOptions): ExpectedRevision {
  if (options.hasRevision()) return Number(options.getRevision());
  return options.hasNoStream() ? -1 : options.hasAny() ? -2 : -4;
}
export function expectedOfBatch(options: BatchOptions): ExpectedRevision {
  if (options.hasNoStream()) return -1;
  if (options.hasAny()) return -2;
  return options.hasStreamExists() ? -4 : Number(options.getStreamPosition());
}

export function appendResponse(outcome: AppendOutcome): AppendResponse {
  const response = new streams.AppendResp();
  if (outcome.ok) {
    const position = new streams.AppendResp.Position();
    position.setCommitPosition(String(outcome.position)).setPreparePosition(String(outcome.position));
    response.setSuccess(
      new streams.AppendResp.Success().setCurrentRevision(String(outcome.revision)).setPosition(position),
    );
    return response;
  }
  const conflict = new streams.AppendResp.WrongExpectedVersion();
  if (outcome.actual < 0) conflict.setCurrentNoStream(new shared.Empty());
  else conflict.setCurrentRevision(String(outcome.actual));
  return response.setWrongExpectedVersion(conflict);
}

export function batchResponse(
  request: BatchRequest,
  options: BatchOptions,
  outcome: AppendOutcome | 'timeout' | 'denied',
): BatchResponse {
  const response = new streams.BatchAppendResp();
  response.setCorrelationId(request.getCorrelationId()).setStreamIdentifier(options.getStreamIdentifier());
  if (outcome === 'timeout') {
    return response.setError(failure('Timeout', new shared.Timeout().serializeBinary()));
  }
  if (outcome === 'denied') {
    return response.setError(failure('AccessDenied', new shared.AccessDenied().serializeBinary()));
  }
  if (outcome.ok) {
    const position = new shared.AllStreamPosition();
    position.setCommitPosition(String(outcome.position)).setPreparePosition(String(outcome.position));
    return response.setSuccess(
      new streams.BatchAppendResp.Success().setCurrentRevision(String(outcome.revision)).setPosition(position),
    );
  }
  const conflict = new shared.WrongExpectedVersion();
  if (outcome.actual >= 0) conflict.setCurrentStreamRevision(String(outcome.actual));
  return response.setError(failure('WrongExpectedVersion', conflict.serializeBinary()));
}
function failure(name: string, details: Uint8Array): InstanceType<typeof status.Status> {
  const packed = new Any();
  packed.pack(details, `event_store.client.${name}`);
  return new status.Status().setMessage(name).setDetails(packed as never);
}

export function eventResponse(record: LogRecord): ReadResponse {
  const position = String(record.position);
  const event = new streams.ReadResp.ReadEvent.RecordedEvent();
  event.setId(new shared.UUID().setString(record.id));
  event.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(record.stream).toString('base64')));
  event.setStreamRevision(String(record.revision)).setCommitPosition(position).setPreparePosition(position);
  event.getMetadataMap().set('type', record.type).set('content-type', record.contentType);
  event.getMetadataMap().set('created', String(record.created * 10_000));
  event.setData(record.data).setCustomMetadata(record.metadata);
  return new streams.ReadResp().setEvent(new streams.ReadResp.ReadEvent().setEvent(event).setCommitPosition(position));
}
export function checkpointResponse(record: LogRecord): ReadResponse {
  const checkpoint = new streams.ReadResp.Checkpoint();
  checkpoint.setCommitPosition(String(record.position)).setPreparePosition(String(record.position));
  return new streams.ReadResp().setCheckpoint(checkpoint);
}
export const confirmationResponse = (): ReadResponse =>
  new streams.ReadResp().setConfirmation(new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId('double'));
export function notFoundResponse(stream: string): ReadResponse {
  const identifier = new shared.StreamIdentifier().setStreamName(Buffer.from(stream).toString('base64'));
  return new streams.ReadResp().setStreamNotFound(
    new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifier),
  );
}
