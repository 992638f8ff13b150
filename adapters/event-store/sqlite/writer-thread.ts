import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { openBlocks } from './blocks.ts';
import { type PlainError, toPlainError } from './errors.ts';
import type { Linker } from './linker.ts';
import { createLogWriter, type FlatResults, type LogWriter } from './log-writer.ts';
import { openForWriting } from './open-file.ts';
import { createPacker, type Packer } from './packer.ts';
import { openParcel, type Parcel } from './parcels.ts';
import { tellHead } from './shared-head.ts';
import type { FromWriter, ToWriter, WriterData } from './writer-protocol.ts';

/**
 * The thread that owns the write connection. Group commit: whatever has come in while the last transaction was being
 * synced goes into the next one, so the size of a transaction follows from the speed of the disk.
 */
const port = parentPort;
if (!port) throw new Error('Expected to run as a worker thread');
const { file, head, packing } = workerData as WriterData;
const say = (message: FromWriter) => port.postMessage(message);
/** Commits in one transaction, so that the first ones do not wait for ever. */
const largestGroup = 4096;

try {
  const db = openForWriting(file);
  const blocks = openBlocks(db);
  const log = createLogWriter(db, blocks);
  const packer = (wake: () => void) =>
    createPacker(db, blocks, packing, wake, (error) => say({ notPacked: toPlainError(error, file).message }));
  serve(log, packer, () => db.close());
} catch (error) {
  say({ notOpened: toPlainError(error, file) });
}

function serve(log: LogWriter, createPacking: (wake: () => void) => Packer, close: () => void): void {
  let failure: PlainError | undefined;
  let linker: Linker | undefined;
  let isResting = false;
  let isClosed = false;
  const packer = createPacking(wake);

  /** What can wait is done in small portions while nothing comes in. */
  function rest(): void {
    isResting = false;
    if (isClosed) return;
    const next = receive();
    if (next !== undefined) handleAll(next);
    const isAwaited = next !== undefined;
    const isMore = !isAwaited && (linker?.rest() ?? false);
    if (!isClosed && ((!failure && packer.rest(log.head, isAwaited)) || isMore || isAwaited)) wake();
  }
  function wake(): void {
    if (isResting || isClosed) return;
    isResting = true;
    setImmediate(rest);
  }

  /** Appends this message and those behind it, until something else comes or the group is large. Returns that something else. */
  function appendGroup(first: Parcel): ToWriter | undefined {
    const results: FlatResults = [];
    let next: ToWriter | undefined = first;
    try {
      log.begin();
      while (next instanceof ArrayBuffer) {
        log.append(openParcel(next), results);
        next = results.length < largestGroup * 2 ? receive() : undefined;
      }
      log.commit();
    } catch (error) {
      failure = toPlainError(error, file);
      try {
        log.rollback();
      } catch {
        // The first error is the one to report; nothing is written any more.
      }
      say({ failed: failure });
      return next;
    }
    say({ results, head: log.head });
    tellHead(head, log.head);
    return next;
  }

  function handle(message: ToWriter): ToWriter | undefined {
    // After a failure nothing is appended any more, or there would be a hole where the failed commits belong.
    if (message instanceof ArrayBuffer) return failure ? undefined : appendGroup(message);
    if ('close' in message) {
      isClosed = true;
      close();
      say('closed');
      port?.close();
    } else if ('link' in message) linker = log.link(message.link);
    else if (message.for !== 'chain') say({ ask: message.ask, answer: log.spans(message.for.spansOf) });
    // Whoever asks for the chain has had it begun before.
    else if (linker) say({ ask: message.ask, answer: linker.state() });
    return undefined;
  }

  function handleAll(message: ToWriter): void {
    for (let next: ToWriter | undefined = message; next !== undefined; ) next = handle(next);
  }

  port?.on('message', (message: ToWriter) => {
    handleAll(message);
    wake();
  });
  tellHead(head, log.head);
  say({ ready: log.head });
  wake();
}

function receive(): ToWriter | undefined {
  return port ? receiveMessageOnPort(port)?.message : undefined;
}
