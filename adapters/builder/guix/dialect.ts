import { BuilderError } from '../../../agent/ports/builder.ts';
import type { Connection, Dialect } from '../daemon/connection.ts';
import type { WireReader } from '../daemon/wire-reader.ts';
import { createWireWriter } from '../daemon/wire-writer.ts';

const clientMagic = 0x6e697863;
const daemonMagic = 0x6478696f;
/** 256 × major + minor: what Guix has spoken since 2019. Before, it did not know `builtin:git-download` either. */
const protocol = 0x163;

/** Kinds of message that a daemon sends before the answer to an operation. */
const kinds = { next: 0x6f6c6d67, write: 0x64617416, last: 0x616c7473, error: 0x63787470 } as const;
/** Largest piece of an archive that comes in one message, in bytes. Guix sends 64 KiB. */
const maxPiece = 16 * 1024 * 1024;

export interface GuixGreeting {
  /** What both sides speak. */
  readonly protocol: number;
}

export interface GuixHandlers {
  /** What it says while it works, as it comes: its own lines, and a build's log, marked as such. */
  readonly onText?: (text: Buffer) => void | Promise<void>;
}

export type GuixConnection = Connection<GuixGreeting, GuixHandlers>;

/** What a daemon of Guix answers that failed: a text and the exit status that `guix build` has of it. */
export class GuixRefusal extends BuilderError {
  /** 100: what was built failed for good; 101: it took too long; 1: anything else. */
  readonly status: number;
  constructor(status: number, message: string) {
    super('refused', message);
    this.status = status;
  }
}

/** The worker protocol as guix-daemon speaks it. Source: its `nix-daemon.cc` and `worker-protocol.hh`, and `(guix store)`. */
export const guixDialect: Dialect<GuixGreeting, GuixHandlers> = {
  async greet(reader, write) {
    await write(createWireWriter().u64(clientMagic).u64(protocol).take());
    const magic = await reader.u64();
    if (magic !== daemonMagic)
      throw new BuilderError('protocol', `expected a guix-daemon, got ${magic.toString(16)} for a greeting`);
    const theirs = await reader.u64();
    if (theirs >> 8 !== protocol >> 8 || (theirs & 0xff) < (protocol & 0xff))
      throw new BuilderError(
        'protocol',
        `expected a guix-daemon of worker protocol 0x${protocol.toString(16)}, got 0x${theirs.toString(16)}${theirs < protocol ? ', which is that of a Nix daemon or of a Guix before 1.0' : ''}`,
      );
    // No CPU affinity, and room that the garbage collector has where the disk is full.
    await write(createWireWriter().u64(0).u64(1).take());
    await guixDialect.drain(reader);
    return { protocol };
  },

  async drain(reader, handlers = {}) {
    for await (const _piece of hear(reader, handlers))
      throw new BuilderError('protocol', 'expected no archive in answer to this, got one');
  },
};

/** Reads what a daemon says up to the end of its work; gives the pieces of the archive that it sends meanwhile. */
export async function* hear(reader: WireReader, handlers: GuixHandlers = {}): AsyncGenerator<Buffer> {
  for (;;) {
    const kind = await reader.u64();
    switch (kind) {
      case kinds.last:
        return;
      case kinds.error: {
        const message = (await reader.bytes()).toString();
        throw new GuixRefusal(await reader.u64(), message);
      }
      case kinds.next: {
        const text = await reader.bytes();
        await handlers.onText?.(text);
        break;
      }
      case kinds.write:
        yield await reader.bytes(maxPiece);
        break;
      default:
        throw new BuilderError('protocol', `expected a message of guix-daemon, got kind ${kind.toString(16)}`);
    }
  }
}
