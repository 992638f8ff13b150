import { Worker } from 'node:worker_threads';
import { DroverError, type ErrorCode, errorCodes } from '../../coordinator/errors.ts';
import { moduleBeside } from '../runtime/module-beside.ts';
import { isExhausted } from '../runtime/open-files.ts';
import type { Answer, Opened, OperationName, Operations, WorkerOptions } from './protocol.ts';
import type { Problem } from './refused-file.ts';

/** Asks the worker that owns the database. */
export interface WorkerClient extends AsyncDisposable {
  ask<Name extends OperationName>(
    op: Name,
    request: Operations[Name]['request'],
    transfer?: readonly ArrayBuffer[],
  ): Promise<Operations[Name]['answer']>;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * The worker starts with the first question. One that dies rejects what it was asked, and the next question starts another: what was
 * acknowledged is in the database.
 */
export function createWorkerClient(options: WorkerOptions): WorkerClient {
  const waiting = new Map<number, Waiting>();
  let nextId = 1;
  let current: Promise<Worker> | undefined;
  let closed = false;

  function spawn(): Promise<Worker> {
    const worker = new Worker(moduleBeside('./worker', import.meta.url), { workerData: options, name: 'derivations' });
    let failure: Error | undefined;
    return new Promise((resolve, reject) => {
      worker.once('message', (message: Opened) => {
        if (!message.opened) return reject(failed(message));
        worker.on('message', settle);
        resolve(worker);
      });
      worker.on('error', (error: Error) => {
        failure = error;
      });
      worker.once('exit', () => {
        current = undefined;
        const error = isExhausted(failure)
          ? new DroverError('store-unavailable', `derivation store: ${failure?.message}`, {}, { cause: failure })
          : new DroverError('internal-error', 'the derivation store stopped', {}, { cause: failure });
        reject(error);
        for (const waiter of waiting.values()) waiter.reject(error);
        waiting.clear();
      });
    });
  }

  function settle(answer: Answer): void {
    const waiter = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.failed === undefined) {
      waiter?.resolve(answer.value);
      return;
    }
    waiter?.reject(failed(answer.failed));
  }

  function send(
    worker: Worker,
    op: OperationName,
    request: object,
    transfer: readonly ArrayBuffer[],
  ): Promise<unknown> {
    const id = nextId++;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      worker.postMessage({ ...request, id, op }, transfer as ArrayBuffer[]);
    });
  }

  return {
    async ask(op, request, transfer = []) {
      if (closed) throw new DroverError('not-ready', 'the derivation store is closed');
      current ??= spawn();
      return (await send(await current, op, request, transfer)) as Operations[typeof op]['answer'];
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      const worker = await current?.catch(() => undefined);
      if (worker === undefined) return;
      // Answered after all that was asked before.
      await send(worker, 'close', {}, []).catch(() => undefined);
      await worker.terminate();
    },
  };
}

function failed({ code, message }: Problem): DroverError {
  return new DroverError(isErrorCode(code) ? code : 'internal-error', `derivation store: ${message}`);
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}
