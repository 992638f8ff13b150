import { BuilderError } from '../../../agent/ports/builder.ts';
import { verdictOnText } from '../../../domain/build/verdicts/verdict.ts';
import type { WireReader } from '../daemon/wire-reader.ts';
import { createLogLines, type LogLines } from './log-lines.ts';

/** Kinds of message that a daemon sends before the answer to an operation. */
const kinds = {
  next: 0x6f6c6d67,
  read: 0x64617461,
  write: 0x64617416,
  last: 0x616c7473,
  error: 0x63787470,
  startActivity: 0x53545254,
  stopActivity: 0x53544f50,
  result: 0x52534c54,
} as const;

/** Results of an activity that carry a build's log. */
const buildLogLine = 101;
const setPhase = 104;

const maxFields = 64;
const maxTraces = 1000;

export interface MessageHandlers {
  /** A line of the build's log, line feed included. */
  readonly onLogLine?: (line: Uint8Array) => void | Promise<void>;
}

/**
 * Reads what the daemon says while it works, up to the end of the work. Throws {@link BuilderError} `refused` (`disk-full`
 * where the table of verdicts says so) if the operation failed; the connection is then still in step.
 */
export async function drainMessages(reader: WireReader, handlers: MessageHandlers = {}): Promise<void> {
  const log = createLogLines((line) => handlers.onLogLine?.(line));
  try {
    await drain(reader, log);
  } finally {
    await log.end();
  }
}

async function drain(reader: WireReader, log: LogLines): Promise<void> {
  for (;;) {
    const kind = await reader.u64();
    switch (kind) {
      case kinds.last:
        return;
      case kinds.error:
        throw refusal(await readError(reader));
      case kinds.next:
        // The daemon's own chatter; a build's log comes as results of its activity.
        await reader.bytes();
        break;
      case kinds.startActivity:
        await reader.u64big();
        await reader.u64();
        await reader.u64();
        await reader.bytes();
        await readFields(reader);
        await reader.u64big();
        break;
      case kinds.stopActivity:
        await reader.u64big();
        break;
      case kinds.result: {
        await reader.u64big();
        const type = await reader.u64();
        const [first] = await readFields(reader);
        const line = first instanceof Buffer ? logLine(type, first) : undefined;
        if (line !== undefined) await log.take(line);
        break;
      }
      default:
        // `read` and `write` belong to operations that are not used here.
        throw new BuilderError('protocol', `expected a daemon message, got kind ${kind.toString(16)}`);
    }
  }
}

/** The daemon takes a phase's announcement out of the log; it is put back as stdenv writes it. */
function logLine(type: number, text: Buffer): Uint8Array | undefined {
  if (type === buildLogLine) return Buffer.concat([text, Buffer.from('\n')]);
  if (type === setPhase)
    return Buffer.from(`@nix { "action": "setPhase", "phase": ${JSON.stringify(text.toString())} }\n`);
  return undefined;
}

async function readFields(reader: WireReader): Promise<(bigint | Buffer)[]> {
  const count = await reader.u64();
  if (count > maxFields) throw new BuilderError('protocol', `expected up to ${maxFields} fields, got ${count}`);
  const fields: (bigint | Buffer)[] = [];
  for (let index = 0; index < count; index++) {
    const type = await reader.u64();
    if (type === 0) fields.push(await reader.u64big());
    else if (type === 1) fields.push(await reader.bytes());
    else throw new BuilderError('protocol', `expected a field of type 0 or 1, got ${type}`);
  }
  return fields;
}

/** Form of protocol 1.26 and later: type, level, name, message, position flag, traces. */
async function readError(reader: WireReader): Promise<string> {
  await reader.bytes();
  await reader.u64();
  await reader.bytes();
  const message = (await reader.bytes()).toString();
  await reader.u64();
  const traces = await reader.u64();
  if (traces > maxTraces) throw new BuilderError('protocol', `expected up to ${maxTraces} traces, got ${traces}`);
  for (let index = 0; index < traces; index++) {
    await reader.u64();
    await reader.bytes();
  }
  return message;
}

function refusal(text: string): BuilderError {
  const { class: failure, message, storeDamaged = false } = verdictOnText(text);
  return new BuilderError(failure === 'disk-full' ? 'disk-full' : 'refused', message, { failure, storeDamaged });
}
