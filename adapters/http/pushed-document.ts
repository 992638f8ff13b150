import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { type Chunk, chunkOf, writeChunk } from './chunk.ts';
import type { HttpContext } from './context.ts';
import { type DocumentTexts, patchBetween, textsOf, wholeText } from './json-patch.ts';
import { abortOnEnd } from './long-answer.ts';

/** A document that those who watch it have as it changes. */
export interface PushedDocument {
  /**
   * Answers with server-sent events for as long as its reader stays: the whole, under the document's name, and then a `patch` whenever it has changed.
   * A reader that does not take what it was sent is sent nothing, and then the whole as it is by then.
   *
   * @throws where it cannot be made; then nothing was answered
   */
  follow(reply: FastifyReply): Promise<void>;
}

export interface PushedDocumentOptions {
  /** The type of the server-sent event that has all of it. */
  readonly name: string;
  /** Waits for what is read. */
  ready(): Promise<void>;
  /** All of it, at this moment. */
  read(): Readonly<Record<string, unknown>>;
  /** Paths, as in a JSON Patch, that change all the time: they are told of with others, and once a second. */
  readonly restless: readonly string[];
}

type PushedDocumentContext = Pick<
  HttpContext,
  'application' | 'closing' | 'isStill' | 'limits' | 'logGrowth' | 'runtime'
>;

interface Version {
  readonly number: number;
  readonly texts: DocumentTexts;
  /** What makes this of the version before. */
  readonly patch: Chunk | undefined;
  whole: Chunk | undefined;
}
interface Reader {
  readonly response: ServerResponse;
  /** Number of the version that it was sent last; 0 before the first. */
  has: number;
  /** Comments that it was not sent, as the system had not taken what was before. */
  missed: number;
}

/** What does not come with an event, like how hooks are behind, is looked at so often, in milliseconds. */
const lookEvery = 1000;
/** From one version to the next, in milliseconds: at least so long … */
const shortestGap = 75;
/** … and where it takes much processor time to make them and to hand them out, so many times as much. */
const restFactor = 14;
const longestRest = 2000;
const comment = chunkOf(':\n\n');
/** A reader that has taken nothing for so many comments is cut: a minute. */
const mostMissed = 4;
/** Readers that are written to in one turn of the loop. */
const atOnce = 64;

/** Makes it once for all who watch, as soon as the log has grown: nothing is made where nobody does. */
export function createPushedDocument(
  { application, closing, isStill = false, limits, logGrowth, runtime: { timers } }: PushedDocumentContext,
  { name, ready, read, restless }: PushedDocumentOptions,
): PushedDocument {
  const head = chunkOf(`: drover ${name}\nretry: 2000\n\n`);
  const readers = new Set<Reader>();
  const quiet = restless.map((path) => `"path":${JSON.stringify(path)},`);
  let current: Version | undefined;
  let last = 0;
  /** Those who wait for a version that is begun after they asked. */
  let asked: PromiseWithResolvers<void> | undefined;
  let isStale = true;
  let isDue = false;
  /** Something restless has changed since, and nothing else. */
  let hasMore = false;
  let isRunning = false;
  let isMaking = false;
  let wake: () => void = () => undefined;

  function fresh(): Promise<void> {
    if (current !== undefined && !isStale && !isMaking && !hasMore) return Promise.resolve();
    asked ??= Promise.withResolvers();
    const { promise } = asked;
    if (isRunning) wake();
    else void run();
    return promise;
  }

  /** Goes on for as long as somebody watches. */
  async function run(): Promise<void> {
    isRunning = true;
    // Those who ask in this turn of the loop share it.
    await setImmediate();
    using _growth = logGrowth.onGrown(() => {
      isStale = true;
      wake();
    });
    using _looks = isStill
      ? undefined
      : every(lookEvery, () => {
          isDue = true;
          wake();
        });
    using _silence = every(limits.eventStreamSilence, () => {
      for (const reader of readers)
        if (hasTaken(reader)) writeChunk(reader.response, comment);
        // It has megabytes that wait for it in the system, and comes again where it still wants any.
        else if (++reader.missed === mostMissed) reader.response.destroy();
    });
    while (readers.size > 0 || asked !== undefined) {
      if (asked === undefined && !isStale && !isDue)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      else await delay(await turn());
    }
    current = undefined;
    isStale = true;
    isRunning = false;
  }

  /** Makes a version, and hands it out. @returns milliseconds until the next one may be begun */
  async function turn(): Promise<number> {
    const begun = performance.now();
    const waiting = asked;
    const whole = isDue || waiting !== undefined;
    asked = undefined;
    isStale = false;
    isDue = false;
    isMaking = true;
    try {
      await ready();
      const before = spentMs();
      const made = change(current, textsOf(read()), whole);
      let spent = spentMs() - before;
      // Decisions run ahead of the disk; nobody hears of what a power cut would take back.
      await application.settled();
      current = made;
      waiting?.resolve();
      spent += await handOut();
      const rest = Math.min(longestRest, restFactor * spent);
      return Math.max(0, rest, begun + shortestGap - performance.now());
    } catch (error) {
      waiting?.reject(error);
      // They ask again, and are told why.
      for (const { response } of readers) response.destroy();
      current = undefined;
      isStale = true;
      return shortestGap;
    } finally {
      isMaking = false;
    }
  }

  /** The same version where nothing has changed, or only what is not worth telling of now. */
  function change(before: Version | undefined, texts: DocumentTexts, tellsAll: boolean): Version {
    if (before === undefined) return { number: ++last, texts, patch: undefined, whole: undefined };
    const operations = patchBetween(before.texts, texts);
    const isWorth = operations.some((operation) => tellsAll || !quiet.some((path) => operation.includes(path)));
    hasMore = operations.length > 0 && !isWorth;
    if (!isWorth) return before;
    const patch = eventOf('patch', `[${operations.join()}]`);
    return { number: ++last, texts, patch, whole: undefined };
  }

  /** @returns milliseconds of processor time that it took */
  async function handOut(): Promise<number> {
    let spent = 0;
    let from = spentMs();
    let count = 0;
    for (const reader of readers) {
      deliver(reader);
      if (++count % atOnce > 0) continue;
      spent += spentMs() - from;
      await setImmediate();
      from = spentMs();
    }
    return spent + spentMs() - from;
  }

  function deliver(reader: Reader): void {
    if (current === undefined || reader.has === current.number || reader.response.destroyed) return;
    if (reader.has > 0 && !hasTaken(reader)) return;
    const { patch, number } = current;
    const chunk = patch !== undefined && reader.has === number - 1 ? patch : wholeOf(current);
    reader.has = number;
    reader.missed = 0;
    writeChunk(reader.response, chunk);
  }

  function wholeOf(version: Version): Chunk {
    version.whole ??= eventOf(name, wholeText(version.texts));
    return version.whole;
  }

  function every(milliseconds: number, call: () => void): Disposable {
    let timer: Disposable;
    const again = (): void => {
      timer = timers.after(milliseconds, () => {
        call();
        again();
      });
    };
    again();
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
  }

  return {
    async follow(reply) {
      await fresh();
      const { raw } = reply;
      void reply
        .header('cache-control', 'no-store')
        .header('vary', 'accept')
        // Proxies that gather an answer before they pass it on would hold events back.
        .header('x-accel-buffering', 'no')
        .type('text/event-stream')
        .hijack();
      raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
      raw.flushHeaders();
      writeChunk(raw, head);
      const gone = abortOnEnd(raw, closing);
      const reader: Reader = { response: raw, has: 0, missed: 0 };
      readers.add(reader);
      // The last one who watched may have left in this very turn, and what was there have gone with him.
      if (!isRunning) void run();
      deliver(reader);
      const leave = (): void => {
        readers.delete(reader);
        wake();
        raw.end();
      };
      if (gone.aborted) leave();
      else gone.addEventListener('abort', leave, { once: true });
    },
  };
}

/** Whether the system has taken all that was written to it. */
const hasTaken = ({ response }: Reader): boolean => response.writableLength === 0;

function eventOf(type: string, data: string): Chunk {
  return chunkOf(`event: ${type}\ndata: ${data}\n\n`);
}

/** What this thread has run so far: where others keep it from its core, nothing is put off for that. */
function spentMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
