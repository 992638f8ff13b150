import type { Connection } from './connection.ts';
import { createWireWriter } from './wire-writer.ts';

/** Operations that both daemons have, with the same numbers and fields: Nix's had them before Guix's was made of it. */
const operation = { addTempRoot: 11, addIndirectRoot: 12, collectGarbage: 20 } as const;

type AnyConnection = Pick<Connection<never, never>, 'ask'>;

/** Keeps a path, valid or to become so, from the store's garbage collector until the connection ends. */
export async function addTempRoot(connection: AnyConnection, path: string): Promise<void> {
  await connection.ask({
    request: createWireWriter().u64(operation.addTempRoot).text(path).take(),
    answer: (reader) => reader.u64(),
  });
}

/** Makes what a symbolic link leads to a root of the store's garbage collector, for as long as the link (its full path) is there. */
export async function addIndirectRoot(connection: AnyConnection, link: string, signal: AbortSignal): Promise<void> {
  await connection.ask({
    request: createWireWriter().u64(operation.addIndirectRoot).text(link).take(),
    answer: (reader) => reader.u64(),
    signal,
  });
}

/**
 * Has the store's garbage collector delete what no root keeps, temporary ones of other connections included, until more than `bytes` are
 * freed. Gives what went, in bytes.
 */
export function collectGarbage(connection: AnyConnection, bytes: number): Promise<number> {
  const deleteDead = 2;
  const request = createWireWriter()
    .u64(operation.collectGarbage)
    .u64(deleteDead)
    .texts([]) // any paths
    .bool(false) // nothing that is alive
    .u64(bytes)
    .u64(0) // three that mean nothing any more
    .u64(0)
    .u64(0)
    .take();
  return connection.ask({
    request,
    async answer(reader) {
      await reader.texts(); // what went
      const freed = await reader.u64();
      await reader.u64(); // means nothing any more
      return freed;
    },
  });
}
