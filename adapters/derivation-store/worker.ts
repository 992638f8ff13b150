import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { roomBesideLogSync } from '../data-dir/free-space.ts';
import { addDerivations } from './intake.ts';
import type { Answer, Opened, OperationName, Operations, Request, WorkerOptions } from './protocol.ts';
import { describe, unopened } from './refused-file.ts';
import { openDatabase } from './schema.ts';
import { createTables } from './tables.ts';

/** The thread that owns `derivations.db`: one request after the other. */
const { file, storeDirs, limits } = workerData as WorkerOptions;
/** Where a text is before it is only where it stays: in the database, and in the log of its changes. */
const placesPerByte = 2;

type Handlers = { [Name in OperationName]: (request: Operations[Name]['request']) => Operations[Name]['answer'] };

function createHandlers(database: DatabaseSync): Handlers {
  const tables = createTables(database);
  return {
    close() {
      database.close();
      parentPort?.unref();
      return undefined;
    },
    missing: ({ paths }) => paths.filter((path) => tables.find(path)?.held !== true),
    add(request) {
      refuseLackOfRoom(request.texts.length);
      return addDerivations(tables, { storeDirs, limits }, request);
    },
    text: ({ path }) => tables.text(path),
    rows: ({ paths }) => Uint32Array.from(paths, (path) => tables.find(path)?.row ?? 0),
    inputs({ rows }) {
      const inputs = new Set<number>();
      for (const row of rows) for (const input of tables.inputs(row)) inputs.add(input);
      return Uint32Array.from(inputs);
    },
    names: ({ rows }) => Array.from(rows, (row) => tables.name(row)),
    facts({ rows }) {
      const parts = Array.from(rows, (row) => tables.facts(row));
      let end = 0;
      const ends = Uint32Array.from(parts, (part) => (end += part.length));
      const packed = new Uint8Array(end);
      for (const [index, part] of parts.entries()) packed.set(part, (ends[index] as number) - part.length);
      return { packed, ends };
    },
  };
}

function refuseLackOfRoom(bytes: number): void {
  const needed = placesPerByte * bytes;
  const room = roomBesideLogSync(dirname(file)) ?? Number.POSITIVE_INFINITY;
  if (needed <= room) return;
  const message = `expected room for ${needed} bytes of derivations, but ${room} are free`;
  throw Object.assign(new Error(message), { code: 'disk-full' });
}

function open(): Handlers | undefined {
  try {
    const handlers = createHandlers(openDatabase(file, storeDirs[0] as string));
    parentPort?.postMessage({ opened: true } satisfies Opened);
    return handlers;
  } catch (error) {
    parentPort?.postMessage({ opened: false, ...unopened(file, error) } satisfies Opened);
    return undefined;
  }
}

const handlers = open();
if (handlers !== undefined) {
  parentPort?.on('message', (request: Request) => {
    let answer: Answer;
    try {
      const handle = handlers[request.op] as (request: Request) => unknown;
      answer = { id: request.id, value: handle(request) };
    } catch (error) {
      answer = { id: request.id, failed: describe(file, error) };
    }
    parentPort?.postMessage(answer);
  });
}
