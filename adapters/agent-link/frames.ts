import { Packr } from 'msgpackr';
import type { z } from 'zod';
import {
  type FromAgent,
  type FromCoordinator,
  fromAgent,
  fromCoordinator,
  maxFrameBytes,
} from '../../domain/agent/messages.ts';
import { msgpackFault } from './msgpack-scan.ts';

/** A frame that was understood, or why it was not; `code` is one of `coordinator/errors.ts`. */
export type Decoded<Frame> =
  | { readonly frame: Frame; readonly fault?: undefined }
  | {
      readonly frame?: undefined;
      readonly fault: {
        readonly code: 'malformed-frame' | 'frame-too-large';
        readonly message: string;
      };
    };

// Plain msgpack: maps with string keys, no records, no extension types. `undefined` members are left out.
const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  int64AsType: 'number',
  skipValues: [undefined],
} as ConstructorParameters<typeof Packr>[0]);

/**
 * Bytes of a frame, for one binary WebSocket message. Throws where it would be larger than `maxFrameBytes`: the sender
 * has to cut what it sends (a log) or refuse it (a derivation) before it comes here.
 */
export function encodeFrame(frame: FromAgent | FromCoordinator): Uint8Array {
  const bytes = packr.pack(frame);
  if (bytes.length > maxFrameBytes)
    throw new RangeError(`expected a frame of at most ${maxFrameBytes} bytes, got ${bytes.length}`);
  return bytes;
}

/** Reads what an agent sent. Never throws; byte strings in the frame are views of `data`. */
export function decodeFromAgent(data: Uint8Array): Decoded<FromAgent> {
  return decode(fromAgent, data);
}

/** Reads what the coordinator sent. Never throws; byte strings in the frame are views of `data`. */
export function decodeFromCoordinator(data: Uint8Array): Decoded<FromCoordinator> {
  return decode(fromCoordinator, data);
}

function decode<Frame>(schema: z.ZodType<Frame>, data: Uint8Array): Decoded<Frame> {
  if (data.length > maxFrameBytes) {
    return fault('frame-too-large', `expected at most ${maxFrameBytes} bytes, got ${data.length}`);
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
  const issue = parsed.error.issues[0];
  return fault(
    'malformed-frame',
    issue === undefined ? 'expected a frame' : `${issue.path.join('.') || 'frame'}: ${issue.message}`,
  );
}

function fault(
  code: 'malformed-frame' | 'frame-too-large',
  message: string,
): { fault: { code: typeof code; message: string } } {
  return { fault: { code, message } };
}
