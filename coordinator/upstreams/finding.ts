import { referenceBytes } from '../../domain/limits.ts';
import type { Core } from '../core.ts';
import type { ItemStreams } from '../items/item-streams.ts';
import { namesakeOf } from '../items/namesakes.ts';
import type { Meta } from '../ports/event-store.ts';
import type { InSlices } from '../slices.ts';
import type { Asker } from './asking.ts';
import type { Believed } from './trust.ts';

/** One look for items upstream, in rounds. */
export interface Search {
  /**
   * Asks for these items (base names), and for what they refer to as far as it is not available. What upstreams have is available from then on, where
   * all that it refers to is: an item with half of its closure is of no use, and is built. Never rejects for an upstream's sake.
   */
  round(paths: Iterable<string>): Promise<void>;
  readonly figures: SearchFigures;
}

export interface SearchFigures {
  readonly asked: number;
  readonly found: number;
  /** Of which no upstream said whether it has them. */
  readonly unknown: number;
}

export interface FinderOptions {
  readonly meta: Meta;
  /** Aborts once nobody waits any more. */
  readonly signal: AbortSignal;
  /** Of names that what is found refers to, in all; more than any closure has if absent. */
  readonly mostReferenceBytes?: number;
  /** When what is found expires, milliseconds since the Unix epoch, by the name of the upstream. */
  readonly expires: (upstream: string) => number;
}

/** Items asked for at a time, over all upstreams; each takes as many at a time as its `connections`. */
const width = 256;
/** Events between two waits for the disk: what hears of them then holds the loop for as long as they are many. */
const eventsPerWait = 50;
/** References that are looked at between two yields: less than a millisecond. */
const stepsPerTurn = 500;
/** More than any closure has: an upstream that refers on and on beyond it has no end. */
const mostAsked = 400_000;
/** What found items refer to is in memory until all is found, and takes some four times as much there. A hundred thousand items with ten references each have half of it. */
const mostBytes = 128 * 1024 * 1024;

export function createSearch(
  core: Pick<Core, 'farm' | 'writer' | 'logger'>,
  streams: ItemStreams,
  asker: Pick<Asker, 'ask'>,
  inSlices: InSlices,
  { meta, signal, expires, mostReferenceBytes = mostBytes }: FinderOptions,
): Search {
  const { availability, graph, producers } = core.farm;
  // By name: what upstreams speak of is nothing to the graph before it is an event.
  const seen = new Set<string>();
  const answers = new Map<string, Believed>();
  /** What was found, by its hash part. */
  const named = new Map<string, string>();
  const figures = { asked: 0, found: 0, unknown: 0 };
  let held = 0;

  function isAvailable(path: string): boolean {
    const item = graph.itemOf(path);
    return item !== undefined && availability.isAvailable(item);
  }
  /** Whether no other name is known, or was found before, under its hash part: there can be one item of each. */
  function isAlone(path: string): boolean {
    const hashPart = path.slice(0, 32);
    const name = named.get(hashPart) ?? path;
    named.set(hashPart, name);
    return name === path && namesakeOf(core.farm, path, true) === undefined;
  }
  /** What it refers to, where it can be obtained and something of that is missing; `undefined` where it has to be asked for. */
  function referencesOf(path: string): readonly string[] | undefined {
    const item = graph.itemOf(path);
    return item !== undefined && availability.isObtainable(item)
      ? availability.references(item).map(graph.itemPath)
      : undefined;
  }

  let isFull = false;
  /** It is not found, and neither is what refers to it. */
  function refuseMore(upstream: string): void {
    if (isFull) return;
    isFull = true;
    core.logger.warn(
      { upstream },
      `an upstream refers to more than ${mostReferenceBytes} bytes of names: the rest is built`,
    );
  }

  /** Upstreams have what is in the first store directory. */
  function isOfOtherStoreDir(path: string): boolean {
    const item = graph.itemOf(path);
    const drv = item === undefined ? undefined : producers.of(item);
    return drv !== undefined && graph.jobClass(drv).storeDir !== undefined;
  }

  /** All that can be found by following references from these, however far; resolves once nothing is open. */
  function askAll(paths: Iterable<string>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const open: string[] = [];
    let next = 0;
    let underWay = 0;

    function want(start: string): void {
      const pending = [start];
      for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
        if (seen.has(path) || isAvailable(path) || seen.size >= mostAsked) continue;
        seen.add(path);
        const references = referencesOf(path);
        if (references === undefined) open.push(path);
        else pending.push(...references);
      }
    }

    async function one(path: string): Promise<void> {
      const answer = await asker.ask(path, { signal });
      figures.asked++;
      if (answer === 'unknown') figures.unknown++;
      if (typeof answer === 'string' || !isAlone(path)) return;
      held += referenceBytes(answer.references);
      if (held > mostReferenceBytes) return refuseMore(answer.upstream);
      answers.set(path, answer);
      for (const reference of answer.references) want(reference);
    }

    function go(): void {
      while (underWay < width && next < open.length && !signal.aborted && !isFull) {
        underWay++;
        one(open[next++] as string)
          .catch(reject)
          .finally(() => {
            underWay--;
            go();
          });
      }
      if (underWay === 0) resolve();
    }

    for (const path of paths) if (!isOfOtherStoreDir(path)) want(path);
    go();
    return promise;
  }

  /** Those of the answers whose references are all available, or found as well: references first. */
  function* inOrder(): Generator<undefined, readonly Believed[]> {
    const lacking = new Map<string, number>();
    const waiting = new Map<string, string[]>();
    const ready: string[] = [];
    const order: Believed[] = [];
    let steps = 0;
    for (const [path, { references }] of answers) {
      const missing = references.filter((reference) => reference !== path && !isAvailable(reference));
      for (const reference of missing) {
        const referrers = waiting.get(reference);
        if (referrers) referrers.push(path);
        else waiting.set(reference, [path]);
      }
      if (missing.length === 0) ready.push(path);
      else lacking.set(path, missing.length);
      steps += 1 + references.length;
      if (steps < stepsPerTurn) continue;
      steps = 0;
      yield;
    }
    for (let path = ready.pop(); path !== undefined; path = ready.pop()) {
      order.push(answers.get(path) as Believed);
      answers.delete(path);
      for (const referrer of waiting.get(path) ?? []) {
        const left = (lacking.get(referrer) as number) - 1;
        lacking.set(referrer, left);
        if (left === 0) ready.push(referrer);
      }
      if (++steps < stepsPerTurn) continue;
      steps = 0;
      yield;
    }
    return order;
  }

  /** An event for each of these from `from` on, but no more than may wait for the disk. Ends with where it goes on. */
  function* noteSome(found: readonly Believed[], from: number): Generator<undefined, number> {
    let next = from;
    while (next < found.length && next < from + eventsPerWait) {
      const answer = found[next++] as Believed;
      // It may have come by another way in the meantime.
      if (referencesOf(answer.path) !== undefined || namesakeOf(core.farm, answer.path, true) !== undefined) continue;
      const { path, upstream } = answer;
      const data = { ...answer, expires: expires(upstream) };
      const event = { type: 'StoreItemFoundUpstream', data } as const;
      core.writer.commit('item', path.slice(0, 32), streams.revision(path), [event], meta);
      figures.found++;
      yield;
    }
    return next;
  }

  async function note(): Promise<void> {
    const found = await inSlices(inOrder(), { first: true });
    for (let next = 0; next < found.length; ) {
      await streams.look(found.slice(next, next + eventsPerWait).map(({ path }) => path));
      next = await inSlices(noteSome(found, next), { first: true });
      await core.writer.durable();
    }
  }

  return {
    async round(paths) {
      await askAll(paths);
      await note();
    },
    figures,
  };
}
