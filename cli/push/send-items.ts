import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLimiter } from '../../agent/limiter.ts';
import { createPartSize } from '../../agent/outputs/part-size.ts';
import type { UploadDeclaration } from '../../coordinator/ports/pool.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import { uploadNar } from './upload-nar.ts';

/** A store item that can be sent to the pool. */
export interface Sendable {
  /** Base name. */
  readonly path: string;
  /** Base names. */
  readonly references: readonly string[];
  /**
   * Makes its NAR ready to be sent: in `file`, or where it lies already. Rejects with a {@link CliError} where that is the item's fault.
   */
  pack(file: string, signal: AbortSignal): Promise<{ readonly declaration: UploadDeclaration; readonly file: string }>;
}

export interface Refusal {
  /** Base name. */
  readonly item: string;
  readonly code: string;
  readonly message: string;
}

export interface SendResult {
  /** Base names, in the order in which they came to be there. */
  readonly sent: readonly string[];
  readonly refused: readonly Refusal[];
}

export interface SendOptions {
  readonly signal: AbortSignal;
  /** Told how many are done. */
  readonly onDone: (done: number) => void;
  readonly onRefused: (refusal: Refusal) => void;
  readonly onTrouble: (text: string) => void;
}

/** Items that have their turn, or wait for what they refer to among these: however many come after, they are not looked at before. */
const window = 1000;
/** Several small items at once hide the round trips; the disk of the coordinator is the bound. */
const parallel = 4;
/** How many names one question has. */
export const namesPerQuestion = 10_000;

/** Refusals that are not of one item: every other would have the same. */
const ofAll: ReadonlySet<string> = new Set([
  'token-missing',
  'token-unknown',
  'scope-insufficient',
  'no-temporary-folder',
  'proxy-limit',
  'disk-full',
  'not-found',
]);

/** Those of the items (base names) that the pool lacks. */
export async function missingItems(
  client: Client,
  items: readonly string[],
  signal: AbortSignal,
  onAsked: (count: number) => void = () => {},
): Promise<ReadonlySet<string>> {
  const missing = new Set<string>();
  for (let start = 0; start < items.length; start += namesPerQuestion) {
    signal.throwIfAborted();
    const asked = items.slice(start, start + namesPerQuestion);
    const answer = await client.send<{ missing: string[] }>('POST', '/v1/items/missing', { items: asked });
    for (const item of answer.missing) missing.add(item);
    onAsked(start + asked.length);
  }
  return missing;
}

/**
 * Sends items, given so that each comes after those of them that it refers to. One that is refused keeps back what refers to it, and nothing else. Rejects where
 * nothing could be sent any more.
 */
export async function sendItems(client: Client, items: Iterable<Sendable>, options: SendOptions): Promise<SendResult> {
  const { signal: interrupted, onDone, onRefused, onTrouble } = options;
  const folder = await mkdtemp(join(tmpdir(), 'drover-push-')).catch(refuseFolder);
  const failed = new AbortController();
  const signal = AbortSignal.any([interrupted, failed.signal]);
  const limiter = createLimiter(parallel);
  const parts = createPartSize();
  const sent: string[] = [];
  const refused = new Map<string, Refusal>();

  async function send({ path, pack }: Sendable): Promise<void> {
    const place = join(folder, path);
    try {
      const { declaration, file } = await pack(place, signal);
      await uploadNar(client, { what: 'item', declaration, file }, { parts, onTrouble, signal });
    } finally {
      await rm(place, { force: true });
    }
    sent.push(path);
  }

  function refuse(refusal: Refusal): void {
    refused.set(refusal.item, refusal);
    onRefused(refusal);
  }

  const tasks = new Map<string, Promise<void>>();
  let room = Promise.withResolvers<void>();
  try {
    for (const item of items) {
      while (tasks.size >= window) {
        await room.promise;
        room = Promise.withResolvers();
      }
      signal.throwIfAborted();
      const before = item.references.filter((reference) => reference !== item.path);
      const task = Promise.all(before.map((reference) => tasks.get(reference))).then(async () => {
        const lacking = before.find((reference) => refused.has(reference));
        if (lacking !== undefined) {
          const message = `refers to ${lacking}, which was refused`;
          refuse({ item: item.path, code: 'references-missing', message });
        } else {
          await limiter
            .run(signal, () => send(item))
            .catch((error: unknown) => {
              signal.throwIfAborted();
              if (!(error instanceof CliError) || error.mayPass !== undefined || ofAll.has(error.code)) throw error;
              refuse({ item: item.path, code: error.code, message: error.message });
            });
        }
        onDone(sent.length + refused.size);
      });
      tasks.set(item.path, task);
      task
        .catch((error: unknown) => failed.abort(error))
        .finally(() => {
          tasks.delete(item.path);
          room.resolve();
        });
    }
    await Promise.all(tasks.values());
    signal.throwIfAborted();
  } finally {
    await Promise.allSettled(tasks.values());
    await rm(folder, { recursive: true, force: true });
  }
  return { sent, refused: [...refused.values()] };
}

function refuseFolder(cause: Error): never {
  throw new CliError('no-temporary-folder', `items are packed below ${tmpdir()}, which failed: ${cause.message}`, {
    hint: 'TMPDIR names another folder',
    cause,
  });
}
