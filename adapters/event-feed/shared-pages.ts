import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { Position } from '../../coordinator/ports/event-store.ts';
import type { Timers } from '../../coordinator/ports/runtime.ts';
import { type Chunk, chunkOf } from '../http/chunk.ts';
import { createSendBuffers } from '../http/send-buffers.ts';
import { type EventView, pageLength } from './event-view.ts';
import type { PagedView, PageSource } from './pages.ts';
import { sharedBuffer } from './threaded-pages.ts';

/** A page that may be in the hands of many. */
export interface Page {
  readonly bytes: Uint8Array;
  /** The same, of a short one, to be written to each of them. */
  chunk(): Chunk | undefined;
  /** Where the next one begins. */
  readonly place: Position | undefined;
  /** Whether there is more already. */
  readonly more: boolean;
  /** To be called once by each who got it: whether the system is done with the bytes. Where that is not known, nothing else is written there. */
  release(isDone: boolean): void;
}

export interface PageReader extends Disposable {
  /**
   * The page after a place. With `wait` there is something in it, or it is `silent` where nothing came for a while: then it is to be asked for
   * again. `gone` once this reader was disposed of. A reader asks for one at a time.
   */
  next(after: Position | undefined, wait: boolean): Promise<Page | 'silent' | 'gone'>;
  /** It will soon want the page after a place, of which there is one already. */
  ahead(after: Position | undefined): void;
}

export interface SharedPages extends AsyncDisposable {
  open(view: EventView): PageReader;
}

export interface SharedPagesOptions {
  readonly source: PageSource;
  readonly timers: Timers;
  /** Milliseconds without an event after which readers hear that. */
  readonly silence: number;
  /** Bytes of pages that are kept for readers who come after others; what is in the hands of readers is not in it. */
  readonly kept?: number;
}

/** Readers to whom a page is handed in one turn of the loop. */
const atOnce = 32;
/** Events that come after those that went to many gather for so many times as long as it took to hand those out, … */
const restFactor = 24;
/** … at most for so many milliseconds. */
const longestRest = 50;
/** A page that takes up less than this part of its memory goes into its own. */
const smallPart = 1 / 4;
/** Bytes of a page up to which it is framed once for all: of a longer one the copy would cost more than is saved. */
const mostFramed = 16 * 1024;

interface Entry {
  readonly stop: AbortController;
  readonly waiters: Set<Waiter>;
  page: Omit<Page, 'release' | 'chunk'> | undefined;
  chunk: Chunk | undefined;
  /** What the page is in, if it has to be given back. */
  memory: Buffer | undefined;
  /** Something may read that memory for ever. */
  isLost: boolean;
  /** By readers, and by those that keep it for readers. */
  uses: number;
  timer: Disposable | undefined;
}
interface Waiter {
  resolve(next: Page | 'silent' | 'gone'): void;
  reject(error: unknown): void;
}
interface SharedView {
  readonly pages: PagedView;
  readers: number;
  /** By the place that they begin after. */
  readonly ready: Map<string, Entry>;
  readonly reading: Map<string, Entry>;
  readonly awaited: Map<string, Entry>;
  /** By the monotonic clock: nothing is handed to those who wait before then. */
  restUntil: number;
}

/**
 * Pages that are read and written once for all readers with the same view who are at the same place: those who follow the log are. They are kept
 * for a while, in bounded memory, for those who come a little later. A slow reader has one page in its hands and nothing else.
 *
 * Handing an event to many takes time, most of it the system's: events gather meanwhile, so that it takes a twenty-fifth of it, and more only where one is longer than 2 ms.
 */
export function createSharedPages({
  source,
  timers,
  silence,
  kept: mostKept = 8 * 1024 * 1024,
}: SharedPagesOptions): SharedPages {
  const views = new Map<string, SharedView>();
  // Pages are as long as they may be until readers hold several times as much as is kept: those of one length are used again, and shared.
  const buffers = createSendBuffers(4 * mostKept, sharedBuffer);
  /** Oldest first. */
  const kept = new Map<Entry, () => void>();
  let keptBytes = 0;

  function release(entry: Entry): void {
    if (--entry.uses > 0 || entry.memory === undefined) return;
    if (entry.isLost) buffers.forget(entry.memory);
    else buffers.give(entry.memory);
  }

  function hold(entry: Entry): Page {
    const { bytes, place, more } = entry.page as NonNullable<Entry['page']>;
    entry.uses++;
    let held = true;
    return {
      bytes,
      place,
      more,
      chunk() {
        if (bytes.length <= mostFramed) entry.chunk ??= chunkOf(bytes);
        return entry.chunk;
      },
      release(isDone) {
        if (!isDone) entry.isLost = true;
        if (held) release(entry);
        held = false;
      },
    };
  }

  /** For who comes after. */
  function keep(view: SharedView, key: string, entry: Entry): void {
    if (view.ready.has(key)) return;
    view.ready.set(key, entry);
    entry.uses++;
    const size = sizeOf(entry);
    keptBytes += size;
    kept.set(entry, () => {
      kept.delete(entry);
      view.ready.delete(key);
      keptBytes -= size;
      release(entry);
    });
    for (const [, drop] of kept) {
      if (keptBytes <= mostKept) break;
      drop();
    }
  }

  function begin(view: SharedView, after: Position | undefined, wait: boolean): Entry {
    const key = after ?? '';
    const pending = wait ? view.awaited : view.reading;
    const entry: Entry = {
      stop: new AbortController(),
      waiters: new Set(),
      page: undefined,
      chunk: undefined,
      memory: undefined,
      isLost: false,
      uses: 1,
      timer: undefined,
    };
    pending.set(key, entry);
    void read(view, after, wait, entry).then(
      () => {
        forget();
        return handOut(view, key, entry, wait, entry.page?.place !== after);
      },
      (error: unknown) => {
        forget();
        // Whoever comes next begins anew.
        for (const [name, one] of views) if (one === view) views.delete(name);
        for (const { reject } of entry.waiters) reject(error);
      },
    );
    return entry;
    function forget(): void {
      entry.timer?.[Symbol.dispose]();
      if (pending.get(key) === entry) pending.delete(key);
    }
  }

  async function read(view: SharedView, after: Position | undefined, wait: boolean, entry: Entry): Promise<void> {
    const rest = view.restUntil - performance.now();
    if (wait && rest > 0) await delay(rest);
    const { signal } = entry.stop;
    if (signal.aborted) {
      entry.page = { bytes: new Uint8Array(), place: after, more: false };
      return;
    }
    const into = wait ? undefined : buffers.take(pageLength);
    try {
      const { bytes, length, place, more } = await view.pages.fill({ after, into, wait, signal });
      if (into === undefined || bytes !== undefined || length < into.length * smallPart) {
        // What others see of shared memory is copied before that is used again.
        entry.page = { bytes: bytes ?? copyOf(into, length), place, more };
        if (into !== undefined) buffers.give(into);
      } else {
        entry.page = { bytes: into.subarray(0, length), place, more };
        entry.memory = into;
      }
    } catch (error) {
      if (into !== undefined) buffers.forget(into);
      throw error;
    }
  }

  async function handOut(view: SharedView, key: string, entry: Entry, wait: boolean, moved: boolean): Promise<void> {
    const begun = performance.now();
    // One that reads alone goes on from here, and nobody comes after it; what was read ahead is for it.
    if (moved && (view.readers > 1 || entry.waiters.size === 0) && view.readers > 0) keep(view, key, entry);
    let given = 0;
    for (const waiter of entry.waiters) {
      entry.waiters.delete(waiter);
      waiter.resolve(hold(entry));
      if (++given % atOnce === 0) await turn();
    }
    release(entry);
    if (!wait || given < 2) return;
    await turn();
    const now = performance.now();
    view.restUntil = now + Math.min(longestRest, restFactor * (now - begun));
  }

  function silent(entry: Entry): void {
    entry.timer = undefined;
    const waiters = [...entry.waiters];
    entry.waiters.clear();
    for (const { resolve } of waiters) resolve('silent');
  }

  function close(key: string, view: SharedView): void {
    if (views.get(key) === view) views.delete(key);
    for (const pending of [view.reading, view.awaited])
      for (const { stop, timer } of pending.values()) {
        timer?.[Symbol.dispose]();
        stop.abort();
      }
    for (const entry of [...view.ready.values()]) kept.get(entry)?.();
    view.pages[Symbol.dispose]();
  }

  return {
    open(view) {
      const seen: EventView = { ...view, scope: view.scope === 'admin' ? 'admin' : 'read' };
      const name = JSON.stringify(seen);
      const shared: SharedView = views.get(name) ?? {
        pages: source.open(seen),
        readers: 0,
        ready: new Map(),
        reading: new Map(),
        awaited: new Map(),
        restUntil: 0,
      };
      views.set(name, shared);
      shared.readers++;
      let isOpen = true;
      let leave: () => void = () => undefined;
      return {
        next(after, wait) {
          if (!isOpen) return Promise.resolve('gone');
          const key = after ?? '';
          const ready = shared.ready.get(key);
          if (ready !== undefined) {
            const page = hold(ready);
            if (shared.readers === 1) kept.get(ready)?.();
            return Promise.resolve(page);
          }
          const entry = (wait ? shared.awaited : shared.reading).get(key) ?? begin(shared, after, wait);
          if (wait) entry.timer ??= timers.after(silence, () => silent(entry));
          return new Promise((resolve, reject) => {
            const waiter: Waiter = { resolve, reject };
            entry.waiters.add(waiter);
            leave = () => {
              entry.waiters.delete(waiter);
              resolve('gone');
              if (entry.waiters.size > 0) return;
              entry.timer?.[Symbol.dispose]();
              entry.timer = undefined;
            };
          });
        },
        ahead(after) {
          const key = after ?? '';
          if (isOpen && !shared.ready.has(key) && !shared.reading.has(key)) begin(shared, after, false);
        },
        [Symbol.dispose]() {
          if (!isOpen) return;
          isOpen = false;
          leave();
          if (--shared.readers === 0) close(name, shared);
        },
      };
    },
    [Symbol.asyncDispose]: async () => source[Symbol.asyncDispose](),
  };
}

function copyOf(memory: Uint8Array | undefined, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (memory !== undefined) bytes.set(memory.subarray(0, length));
  return bytes;
}

/** What an entry takes up beside its bytes, about. */
const entrySize = 1024;

function sizeOf({ page, memory }: Entry): number {
  return entrySize + (memory ?? (page as NonNullable<Entry['page']>).bytes).length;
}
