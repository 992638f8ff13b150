import { parentPort } from 'node:worker_threads';
import { type CheckSession, openCheck } from './check-session.ts';
import { hashContents } from './content-hash.ts';
import { listNar } from './list-nar.ts';
import type { Answer, Ready, Request } from './protocol.ts';
import { Refused } from './refused.ts';
import { openSession, type Session } from './session.ts';
import { diskTrouble, isDiskFull, isDiskTrouble, systemCode } from './system-error.ts';

/**
 * A verifying worker: many sessions, each a chain of requests, of which data do not wait for each other. Whatever goes wrong in one is its answer and
 * ends that session only.
 */
interface Entry {
  session: Session | undefined;
  check: CheckSession | undefined;
  /** What ended it: what was begun before that fails for it, too, and may be answered first. */
  failure: Failure | undefined;
  /** Settles, never rejects, when all requests so far are answered. */
  all: Promise<unknown>;
  /** The same, of the last that was not data. */
  last: Promise<void>;
}
const sessions = new Map<number, Entry>();

parentPort?.on('message', (request: Request) => {
  const entry = sessions.get(request.session) ?? openEntry();
  sessions.set(request.session, entry);
  const isData = request.op === 'data';
  const answered = (isData ? entry.last : entry.all).then(() => answer(entry, request));
  entry.all = Promise.all([entry.all, answered]).then(() => undefined);
  if (!isData) entry.last = answered;
});

function openEntry(): Entry {
  const nothing = Promise.resolve();
  return { session: undefined, check: undefined, failure: undefined, all: nothing, last: nothing };
}

async function answer(entry: Entry, request: Request): Promise<void> {
  const { id } = request;
  try {
    const value = await perform(entry, request);
    post({ id, value }, request.op === 'data' ? [request.slab] : []);
  } catch (error) {
    entry.failure ??= describe(error, readers.has(request.op));
    await end(entry).catch(() => undefined);
    post({ id, ...entry.failure });
  }
}

async function perform(entry: Entry, request: Request): Promise<unknown> {
  if (request.op === 'open') {
    entry.failure = undefined;
    entry.session = await openSession(request.part, request.isNew, request.expected);
    return entry.session.offset;
  }
  if (request.op === 'close') {
    sessions.delete(request.session);
    return end(entry);
  }
  if (request.op === 'hash') return hashContents(request);
  if (request.op === 'list') return listNar(request);
  if (request.op === 'check') {
    entry.check = await openCheck(request.path, request.expected);
    return undefined;
  }
  if (request.op === 'step') {
    if (entry.check === undefined) throw new Error('the check ended before');
    return entry.check.step();
  }
  const { session } = entry;
  if (session === undefined) throw new Error('the upload ended before');
  switch (request.op) {
    case 'data':
      await session.write(new Uint8Array(request.slab, 0, request.length));
      return request.slab;
    case 'sync':
      return session.sync();
    case 'finish':
      return session.finish();
  }
}

async function end(entry: Entry): Promise<void> {
  const { session, check } = entry;
  entry.session = undefined;
  entry.check = undefined;
  await session?.close();
  await check?.close();
}

type Failure = Pick<Answer & { failed: Error }, 'failed' | 'code'> | Pick<Answer & { refused: object }, 'refused'>;

/** These look at a file that was taken in before: a disk that fails says nothing of what is in it. */
const readers: ReadonlySet<Request['op']> = new Set(['hash', 'list', 'check', 'step'] as const);

function describe(error: unknown, isReader: boolean): Failure {
  if (error instanceof Refused) return { refused: error.refusal };
  if (isDiskFull(error) && !isReader)
    return { refused: { code: 'disk-full', message: 'expected room for the upload, but the disk is full' } };
  if (isDiskTrouble(error) && !isReader) return { refused: diskTrouble(error) };
  return { failed: error instanceof Error ? error : new Error(String(error)), code: systemCode(error) };
}

function post(message: Answer | Ready, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

post({ ready: true });
