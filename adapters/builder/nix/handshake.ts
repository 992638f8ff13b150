import { BuilderError } from '../../../agent/ports/builder.ts';
import type { WireReader } from '../daemon/wire-reader.ts';
import { createWireWriter } from '../daemon/wire-writer.ts';
import { drainMessages } from './daemon-messages.ts';

const clientMagic = 0x6e697863;
const daemonMagic = 0x6478696f;

/** Versions are 256 × major + minor. */
export function protocolVersion(major: number, minor: number): number {
  return (major << 8) | minor;
}
/** Newest version spoken here; a newer daemon speaks it too. */
export const newestProtocol = protocolVersion(1, 38);
/** Framed NARs begin with 1.23; error messages and build results took their form until 1.29. Nix 2.4 is 1.32. */
export const oldestProtocol = protocolVersion(1, 29);

export interface Greeting {
  /** What both sides speak. */
  readonly protocol: number;
  /** Version of the daemon's Nix, from protocol 1.33 on. */
  readonly nixVersion?: string;
  /** Whether the daemon trusts this client, where it says so (from protocol 1.35 on). */
  readonly trusted?: boolean;
}

/** Opens the conversation, on a connection just made. */
export async function greet(reader: WireReader, write: (bytes: Uint8Array) => Promise<void>): Promise<Greeting> {
  await write(createWireWriter().u64(clientMagic).u64(newestProtocol).take());
  const magic = await reader.u64();
  if (magic !== daemonMagic)
    throw new BuilderError('protocol', `expected a Nix daemon, got ${magic.toString(16)} for a greeting`);
  const theirs = await reader.u64();
  if (theirs >> 8 !== newestProtocol >> 8 || theirs < oldestProtocol) {
    throw new BuilderError(
      'protocol',
      `expected worker protocol ${show(oldestProtocol)} or a newer 1.x, got ${show(theirs)}`,
    );
  }
  const protocol = Math.min(theirs, newestProtocol);
  if (protocol >= protocolVersion(1, 38)) {
    // Optional features: none is needed, and what is not announced is not used.
    await write(createWireWriter().texts([]).take());
    await reader.texts();
  }
  // No CPU affinity, no reserved space.
  await write(createWireWriter().u64(0).u64(0).take());
  const nixVersion = protocol >= protocolVersion(1, 33) ? await reader.text(256) : undefined;
  const trust = protocol >= protocolVersion(1, 35) ? await reader.u64() : 0;
  await drainMessages(reader);
  return {
    protocol,
    ...(nixVersion !== undefined && { nixVersion }),
    ...(trust !== 0 && { trusted: trust === 1 }),
  };
}

function show(version: number): string {
  return `${version >> 8}.${version & 255}`;
}
