import { Packr } from 'msgpackr';
import * as z from 'zod';
import { type FromAgent, type FromCoordinator, fromAgent, fromCoordinator } from '../../domain/agent/messages.ts';
import { identifier } from '../../domain/event.ts';
import { maxCoordinatorFrameBytes, maxFrameBytes } from '../../domain/limits.ts';
import { describeIssues } from '../../domain/schema-issues.ts';
import { msgpackFault } from './msgpack-scan.ts';

/** Why a frame was not understood; `code` is one of `coordinator/errors.ts`. */
export interface FrameFault {
  readonly code: 'malformed-frame' | 'frame-too-large';
  readonly message: string;
  /** Where the frame is a numbered message all the same: it would be sent again until it is acknowledged. */
  readonly refused?: RefusedMessage;
}
/** What can be read of a message that is refused. */
export interface RefusedMessage {
  readonly n: number;
  readonly attempt?: { readonly build: string; readonly attempt: number };
}

/** A frame that was understood, or why it was not. */
export type Decoded<Frame> =
  | { readonly frame: Frame; readonly fault?: undefined }
  | { readonly frame?: undefined; readonly fault: FrameFault };

// Plain msgpack: maps with string keys, no records, no extension types. `undefined` members are left out.
const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  int64AsType: 'number',
  skipValues: [undefined],
} as ConstructorParameters<typeof Packr>[0]);

/**
 * Bytes of a frame, for one binary WebSocket message. Throws a RangeError where the other side would not take it: the
 * sender has to cut what it sends (a log) or refuse it (a derivation) before it comes here.
 */
export function encodeFromAgent(frame: FromAgent): Uint8Array {
  return encode(frame, maxFrameBytes);
}

/** The same for what the coordinator sends. */
export function encodeFromCoordinator(frame: FromCoordinator): Uint8Array {
  return encode(frame, maxCoordinatorFrameBytes);
}

function encode(frame: FromAgent | FromCoordinator, most: number): Uint8Array {
  const bytes = packr.pack(frame);
  if (bytes.length > most) throw new RangeError(`expected a frame of at most ${most} bytes, got ${bytes.length}`);
  return bytes;
}

/** Reads what an agent sent. Never throws; byte strings in the frame are views of `data`. */
export function decodeFromAgent(data: Uint8Array): Decoded<FromAgent> {
  return decode(fromAgent, data, maxFrameBytes);
}

/** Reads what the coordinator sent. Never throws; byte strings in the frame are views of `data`. */
export function decodeFromCoordinator(data: Uint8Array): Decoded<FromCoordinator> {
  return decode(fromCoordinator, data, maxCoordinatorFrameBytes);
}

function decode<Frame>(schema: z.ZodType<Frame>, data: Uint8Array, most: number): Decoded<Frame> {
  if (data.length > most) {
    return fault('frame-too-large', `expected at most ${most} bytes, got ${data.length}`);
  }
  const broken = msgpackFault(data);
  if (broken !== undefined) return fault('malformed-frame', broken);
  let value: unknown;
  try {
    value = packr.unpack(data);
  } catch (error) {
    return fault('malformed-frame', `expected msgpack: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { frame: parsed.data };
  const message = describeIssues(parsed.error, value, 'frame');
  const envelope = messageEnvelope.safeParse(value);
  if (!envelope.success) return fault('malformed-frame', message);
  const { n, body } = envelope.data;
  const refused = { n, ...(body !== undefined && { attempt: body }) };
  return { fault: { code: 'malformed-frame', message, refused } };
}

/** What a message has, whatever is wrong with the rest of it. */
const messageEnvelope = z.object({
  kind: z.literal('message'),
  n: z.int().min(1),
  body: z
    .object({ build: identifier, attempt: z.int().min(1) })
    .optional()
    .catch(undefined),
});

function fault(code: FrameFault['code'], message: string): { fault: FrameFault } {
  return { fault: { code, message } };
}
