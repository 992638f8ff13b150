import { BuilderError } from '../../../agent/ports/builder.ts';
import type { Connection } from './connection.ts';

/**
 * Connections for short questions, at most `size` at a time: each is used by one caller, then kept for the next. One that
 * broke is never used again. One is closed after `maxUses` questions, since the daemon keeps as temporary roots what was
 * added through it for as long as it is open.
 */
export interface ConnectionPool<Kept extends Pick<Connection, 'usable' | 'close'>> extends AsyncDisposable {
  use<Value>(work: (connection: Kept) => Promise<Value>): Promise<Value>;
  take(): Promise<Lease<Kept>>;
  /** Closes those that nobody uses now: what comes next is asked of a daemon that sees the store as it is. */
  renew(): Promise<void>;
}

export interface Lease<Kept> extends AsyncDisposable {
  readonly connection: Kept;
}

export function createConnectionPool<Kept extends Pick<Connection, 'usable' | 'close'>>(
  open: () => Promise<Kept>,
  size: number,
  maxUses = 500,
): ConnectionPool<Kept> {
  const idle: { connection: Kept; uses: number }[] = [];
  const waiting: (() => void)[] = [];
  const all = new Set<Kept>();
  const opening = new Set<Promise<Kept>>();
  let taken = 0;
  let closed = false;

  async function take(): Promise<Lease<Kept>> {
    while (taken >= size && !closed) await new Promise<void>((resolve) => waiting.push(resolve));
    if (closed) throw new BuilderError('aborted', 'the builder was closed');
    taken++;
    let entry = idle.pop();
    try {
      while (entry !== undefined && !entry.connection.usable) {
        await drop(entry.connection);
        entry = idle.pop();
      }
      entry ??= { connection: await openOne(), uses: 0 };
    } catch (error) {
      giveBack();
      throw error;
    }
    const { connection, uses } = entry;
    return {
      connection,
      async [Symbol.asyncDispose]() {
        if (connection.usable && uses + 1 < maxUses && !closed) idle.push({ connection, uses: uses + 1 });
        else await drop(connection);
        giveBack();
      },
    };
  }

  async function drop(connection: Kept): Promise<void> {
    await connection.close();
    // Until then who ends the pool has to wait for it, too: its daemon has a folder that goes with it.
    all.delete(connection);
  }

  async function openOne(): Promise<Kept> {
    const opened = open();
    opening.add(opened);
    try {
      const connection = await opened;
      all.add(connection);
      if (!closed) return connection;
      await drop(connection);
      throw new BuilderError('aborted', 'the builder was closed');
    } finally {
      opening.delete(opened);
    }
  }

  function giveBack(): void {
    taken--;
    waiting.shift()?.();
  }

  return {
    take,
    async renew() {
      await Promise.all(idle.splice(0).map(({ connection }) => drop(connection)));
    },
    async use(work) {
      await using lease = await take();
      return await work(lease.connection);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const wake of waiting.splice(0)) wake();
      await Promise.allSettled(opening);
      await Promise.all([...all].map((connection) => connection.close()));
    },
  };
}
