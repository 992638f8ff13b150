import type { DroverEvent } from '../../domain/events.ts';
import { decideHook, type HookCommand } from '../../domain/hook/decide.ts';
import { type HookDefinition, type HookPlace, parseEventId } from '../../domain/hook/definition.ts';
import { type EventFacts, isFor } from '../../domain/hook/match.ts';
import { initialHook, parkedEvents } from '../../domain/hook/state.ts';
import { factsOf } from '../../projections/event-facts.ts';
import type { HookRecord } from '../../projections/hooks.ts';
import type { Principal } from '../application.ts';
import type { Core } from '../core.ts';
import { DroverError } from '../errors.ts';
import { decodeEvent } from '../event-codec.ts';
import type { Commit, Meta, Position, StoredEvent } from '../ports/event-store.ts';
import { type Head, justBefore } from './places.ts';
import { createHookRunner, type HookRunner } from './runner.ts';
import { type HookStatus, statusOf } from './status.ts';

/** Where a hook begins: with what comes, with the start of the log, or after a position. */
export type HookStart = 'now' | 'start' | { readonly after: Position };

export interface DeclaredHook {
  readonly name: string;
  readonly definition: HookDefinition;
  readonly from: HookStart;
}

/** What can be asked of hooks; part of the application. */
export interface HookWishes {
  hooks(): readonly HookStatus[];
  /** `from`: if absent, now; one that was removed goes on from its place. */
  addHook(
    by: Principal,
    name: string,
    wish: { readonly definition: HookDefinition; readonly from?: HookStart | undefined },
  ): Promise<HookStatus>;
  changeHook(by: Principal, name: string, definition: HookDefinition): Promise<HookStatus>;
  pauseHook(by: Principal, name: string, reason?: string): Promise<HookStatus>;
  resumeHook(by: Principal, name: string): Promise<HookStatus>;
  removeHook(by: Principal, name: string, reason?: string): Promise<void>;
  /** Sets its place: what comes after is delivered, again where it was before. */
  replayHook(by: Principal, name: string, from: HookStart): Promise<HookStatus>;
  /** Goes on without these events, which fail or are parked; all that are parked if none are named. */
  skipHookEvents(
    by: Principal,
    name: string,
    events?: readonly string[],
    reason?: string,
  ): Promise<{ skipped: number }>;
  /** Delivers these parked events again, all of them if none are named. */
  retryHookEvents(by: Principal, name: string, events?: readonly string[]): Promise<{ retried: number }>;
  /** Delivers one event now, whether it matches or not; changes nothing of what the hook owes. */
  testHook(by: Principal, name: string, event: string): Promise<HookTest>;
}

export interface HookTest {
  /** Whether the hook would get the event by itself. */
  readonly matches: boolean;
  readonly ok: boolean;
  readonly error?: string;
  readonly ms: number;
}

export interface HookManager extends Disposable {
  readonly wishes: HookWishes;
  /** Takes up every hook where it was left. */
  resume(): void;
  /** Makes the hooks of the configuration what it says; those that it has no more are removed. */
  declare(hooks: readonly DeclaredHook[]): Promise<void>;
  /** Ends deliveries, gently first, and writes down how far each hook is. */
  finish(): Promise<void>;
}

/** How long deliveries may go on when the coordinator stops. */
const graceMs = 5000;
/** So many events without a match for a hook are worth a checkpoint of their own: a start after a crash reads no more than those. */
const checkpointEvery = 10_000;

/** Every hook with its runner, and the wishes of operators about them (I10). */
export function createHookManager(core: Core): HookManager {
  const { farm, writer, log, runtime, logger, policy, hookTransport: transport } = core;
  const runners = new Map<string, HookRunner>();
  let head: Head | undefined;
  let passed = 0;
  let isOver = false;

  function factsOfStored(event: StoredEvent): EventFacts {
    const dash = event.stream.indexOf('-');
    const decoded = decodeEvent(event);
    if (!decoded.known) return {};
    return factsOf(farm, event.stream.slice(0, dash), event.stream.slice(dash + 1), decoded as DroverEvent);
  }

  function commit(name: string, command: HookCommand, meta: Meta): number {
    const hook = farm.hooks.get(name);
    const decision = decideHook(hook?.state ?? initialHook, command);
    if (decision.refused !== undefined) {
      const { refused } = decision;
      if (refused.code === 'unknown-hook') throw unknownHook(name);
      if (refused.code === 'hook-exists') throw new DroverError(refused.code, `there is a hook ${name} already`);
      throw new DroverError(
        refused.code,
        `expected an event that the hook ${name} holds, got ${refused.event}; 'drover hooks show ${name}' lists them`,
      );
    }
    writer.commit('hook', name, hook?.revision ?? 'none', decision.events, meta);
    return decision.events.length;
  }

  function start(hook: HookRecord): void {
    const runner = createHookRunner({
      hook,
      forbidden: () =>
        hook.state.source === 'api' ? forbiddenByApi(hook.state.definition as HookDefinition) : undefined,
      log,
      logId,
      runtime,
      transport,
      logger,
      factsOf: factsOfStored,
      head: () => head,
      write(...wishes) {
        if (writer.failure || isOver) return;
        try {
          for (const wish of wishes) commit(hook.name, wish, { actor: 'hooks' });
        } catch (error) {
          // A bug in the delivery of hooks is no reason to stop the farm; what is not written down is delivered again after a start.
          logger.error({ hook: hook.name, err: error }, `how far the hook ${hook.name} is could not be written down`);
        }
      },
    });
    runners.set(hook.name, runner);
  }

  /** Ends the runner; another may take its place once nothing of it runs any more. */
  async function end(name: string): Promise<void> {
    const runner = runners.get(name);
    runners.delete(name);
    await runner?.stop();
  }

  /** Ends what the hook was doing at once, and begins anew when its events are durable. */
  function begin(name: string): void {
    const ended = end(name);
    writer.afterwards(() => {
      void ended.then(() => {
        const hook = farm.hooks.get(name);
        const isWanted = hook?.state.status === 'active' || hook?.state.status === 'paused';
        if (!isOver && hook && isWanted && !runners.has(name)) start(hook);
      });
    });
  }

  writer.listen((category, name, event) => {
    if (category !== 'hook') return;
    if (event.type === 'HookAdded' || event.type === 'HookReplayed') begin(name);
    else if (event.type === 'HookRemoved') void end(name);
    else if (event.type === 'HookChanged' || event.type === 'HookPaused' || event.type === 'HookResumed')
      writer.afterwards(() => runners.get(name)?.changed());
  });

  writer.whenDurable((commit, last) => {
    try {
      deliver(commit, last);
    } catch (error) {
      // A bug in the delivery of hooks is no reason to stop the farm.
      logger.error({ err: error }, 'an event could not be handed to hooks');
    }
    head = { id: `${commit.stream}@${last.revision}`, position: last.position };
    passed += commit.events.length;
    if (passed < checkpointEvery) return;
    passed = 0;
    for (const runner of runners.values()) runner.touch();
  });

  function deliver(commit: Commit, last: { revision: number; position: Position }): void {
    let events: StoredEvent[] | undefined;
    for (const runner of runners.values()) {
      if (!commit.events.some(({ type }) => runner.wants(type))) continue;
      events ??= durableEvents(commit, last);
      runner.durable(events);
    }
  }

  function find(name: string): HookRecord {
    const hook = farm.hooks.get(name);
    if (hook?.state.status !== 'active' && hook?.state.status !== 'paused') throw unknownHook(name);
    return hook;
  }

  function findRunner(name: string): HookRunner {
    find(name);
    const runner = runners.get(name);
    if (!runner) throw new DroverError('not-ready', `the hook ${name} is starting; try again`);
    return runner;
  }

  let logIdKnown: string | undefined;
  async function logId(): Promise<string> {
    if (logIdKnown === undefined)
      for await (const { events } of log.readAll({ limit: 1 })) for (const { commit } of events) logIdKnown ??= commit;
    if (logIdKnown === undefined) throw new Error('a hook is there in a log that has no events');
    return logIdKnown;
  }

  async function readEvent(id: string): Promise<StoredEvent | undefined> {
    const { stream, revision } = parseEventId(id);
    for await (const stored of log.read(stream, { from: revision, limit: 1 }))
      if (stored.revision === revision) return stored;
    return undefined;
  }

  /** The place that a caller means, with its position; `undefined` for now. */
  async function placeOf(from: HookStart): Promise<{ place: HookPlace; position: Position } | undefined> {
    if (from === 'start') return { place: {}, position: '' };
    if (from === 'now') return undefined;
    try {
      for await (const { events } of log.readAll({ after: from.after, limit: 1 }))
        for (const { stream, revision, position } of events)
          return { place: { before: `${stream}@${revision}` }, position: justBefore(position) };
    } catch {
      throw new DroverError(
        'invalid-request',
        `from: expected now, start or a position of this log, got ${from.after}`,
      );
    }
    return undefined;
  }

  /** The event that the hook's stream gets next: everything before it is not new. */
  function nowOf(name: string): HookPlace {
    const hook = farm.hooks.get(name);
    const revision = hook?.revision ?? farm.strays.revision('hook', name);
    return { after: `hook-${name}@${revision === undefined ? 0 : revision + 1}` };
  }

  async function requireUsable(definition: HookDefinition): Promise<void> {
    const forbidden = forbiddenByApi(definition);
    if (forbidden !== undefined) throw new DroverError('hook-not-usable', forbidden);
    const problem = await transport.check(definition.target);
    if (problem !== undefined) throw new DroverError('hook-not-usable', problem);
  }

  /** Who has an admin token is not by that the user that the coordinator runs as. */
  function forbiddenByApi({ target }: HookDefinition): string | undefined {
    if (policy.trustHooksOfApi) return undefined;
    const how =
      "that is for hooks of the coordinator's configuration ([[hook]]), unless its setting hooks.trust-api is true";
    if (target.kind === 'command') return `run: a hook that is added over the API may not run commands: ${how}`;
    return target.allowPrivate === true
      ? `allow-private: a hook that is added over the API may not call private addresses: ${how}`
      : undefined;
  }

  function requireOwn(name: string): void {
    if (farm.hooks.get(name)?.state.source !== 'config') return;
    throw new DroverError(
      'hook-in-configuration',
      `the hook ${name} is declared in the coordinator's configuration: change it there and start the coordinator again`,
    );
  }

  /** Streams whose held event lies before the place: it would not be delivered from there. */
  async function heldBefore(hook: HookRecord, position: Position): Promise<string[]> {
    const kept: string[] = [];
    for (const [stream, { revision }] of hook.state.held) {
      const stored = await readEvent(`${stream}@${revision}`);
      if (stored !== undefined && stored.position <= position) kept.push(stream);
    }
    return kept;
  }

  const statusByName = (name: string): HookStatus => {
    const runner = runners.get(name);
    const hook = farm.hooks.get(name);
    if (runner) return statusOf(runner, runtime.clock.now());
    const { definition, source, place, delivered } = (hook as HookRecord).state;
    return {
      name,
      state: 'active',
      source,
      definition: definition as HookDefinition,
      place,
      waits: 'it is starting',
      lag: { events: 0, exact: false, seconds: 0 },
      delivered,
      inFlight: [],
      failing: [],
      parked: [],
    };
  };
  const isThere = ({ state }: HookRecord): boolean => state.status === 'active' || state.status === 'paused';

  async function done(name: string): Promise<HookStatus> {
    await writer.durable();
    return statusByName(name);
  }

  const wishes: HookWishes = {
    hooks: () => [...farm.hooks.all()].filter(isThere).map(({ name }) => statusByName(name)),
    async addHook(by, name, { definition, from }) {
      await requireUsable(definition);
      const place = from === undefined ? undefined : await placeOf(from);
      const now = nowOf(name);
      const wanted = from === undefined ? undefined : (place?.place ?? now);
      commit(name, { type: 'add', definition, source: 'api', from: wanted, now }, { actor: by.id });
      return done(name);
    },
    async changeHook(by, name, definition) {
      find(name);
      requireOwn(name);
      await requireUsable(definition);
      commit(name, { type: 'change', definition, source: 'api' }, { actor: by.id });
      return done(name);
    },
    async pauseHook(by, name, reason) {
      commit(name, { type: 'pause', reason }, { actor: by.id });
      return done(name);
    },
    async resumeHook(by, name) {
      commit(name, { type: 'resume' }, { actor: by.id });
      return done(name);
    },
    async removeHook(by, name, reason) {
      find(name);
      requireOwn(name);
      remove(name, reason, { actor: by.id });
      await writer.durable();
    },
    async replayHook(by, name, from) {
      const hook = find(name);
      const place = await placeOf(from);
      const kept = place ? await heldBefore(hook, place.position) : [...hook.state.held.keys()];
      commit(name, { type: 'replay', from: place?.place ?? nowOf(name), kept }, { actor: by.id });
      return done(name);
    },
    async skipHookEvents(by, name, events, reason) {
      const runner = findRunner(name);
      const flying = events?.find((event) => runner.isInFlight(event));
      if (flying !== undefined)
        throw new DroverError('hook-event-not-held', `${flying} is being delivered at this moment; try again`);
      runner.writeDown();
      const ids = events ?? parkedEvents(runner.hook.state);
      commit(name, { type: 'skip', events, reason }, { actor: by.id });
      runner.skip(ids);
      await writer.durable();
      return { skipped: ids.length };
    },
    async retryHookEvents(by, name, events) {
      const runner = findRunner(name);
      const ids = events ?? parkedEvents(runner.hook.state);
      commit(name, { type: 'retry-parked', events }, { actor: by.id });
      runner.retry(ids);
      await writer.durable();
      return { retried: ids.length };
    },
    async testHook(by, name, id) {
      const { definition, source } = find(name).state as { definition: HookDefinition; source: 'api' | 'config' };
      const forbidden = source === 'api' ? forbiddenByApi(definition) : undefined;
      if (forbidden !== undefined) throw new DroverError('hook-not-usable', forbidden);
      const stored = await readEvent(id);
      if (!stored) throw new DroverError('unknown-event', `there is no event ${id}`);
      const facts = factsOfStored(stored);
      const begun = runtime.clock.monotonic();
      const abort = new AbortController();
      const { timeoutSeconds, target } = definition;
      let isLate = false;
      const timer = runtime.timers.after(timeoutSeconds * 1000, () => {
        isLate = true;
        abort.abort();
      });
      logger.info({ hook: name, event: id, by: by.id }, `the hook ${name} is tried with ${id}`);
      const { position: _, ...event } = stored;
      const outcome = await transport.deliver(
        { hook: name, target, log: await logId(), event, facts, attempt: 1 },
        abort.signal,
      );
      timer[Symbol.dispose]();
      const ms = Math.round(runtime.clock.monotonic() - begun);
      const matches = isFor(definition, name, stored, facts);
      if (isLate) return { matches, ms, ok: false, error: `it took longer than ${timeoutSeconds} s and was ended` };
      return { matches, ms, ...outcome };
    },
  };

  function remove(name: string, reason: string | undefined, meta: Meta): void {
    runners.get(name)?.writeDown();
    commit(name, { type: 'remove', reason }, meta);
  }

  return {
    wishes,
    resume() {
      for (const hook of farm.hooks.all()) if (isThere(hook)) start(hook);
    },
    async declare(declared) {
      const meta = { actor: 'configuration' };
      for (const { name, definition, from } of declared) {
        const hook = farm.hooks.get(name);
        await transport.check(definition.target).then((problem) => {
          if (problem !== undefined) logger.error({ hook: name }, `the hook ${name} will fail: ${problem}`);
        });
        if (hook && isThere(hook)) {
          commit(name, { type: 'change', definition, source: 'config' }, meta);
          continue;
        }
        const place = hook === undefined ? await placeOf(from) : undefined;
        const now = nowOf(name);
        commit(name, { type: 'add', definition, source: 'config', from: place?.place, now }, meta);
      }
      const names = new Set(declared.map(({ name }) => name));
      for (const hook of farm.hooks.all())
        if (isThere(hook) && hook.state.source === 'config' && !names.has(hook.name))
          remove(hook.name, 'it is not in the configuration any more', meta);
    },
    async finish() {
      const all = [...runners.values()];
      const grace = Promise.withResolvers<void>();
      const timer = runtime.timers.after(graceMs, grace.resolve);
      await Promise.race([Promise.all(all.map((runner) => runner.drain())), grace.promise]);
      timer[Symbol.dispose]();
      if (!writer.failure) for (const runner of all) runner.writeDown();
      isOver = true;
      await Promise.all(all.map((runner) => runner.stop()));
      if (writer.failure) return;
      const last = Promise.withResolvers<void>();
      const longest = runtime.timers.after(graceMs, last.resolve);
      await Promise.race([writer.durable(), last.promise]);
      longest[Symbol.dispose]();
    },
    [Symbol.dispose]() {
      isOver = true;
      for (const name of [...runners.keys()]) void end(name);
    },
  };
}

function durableEvents(
  { stream, events, id, at, meta }: Commit,
  { revision, position }: { revision: number; position: Position },
): StoredEvent[] {
  const first = revision - events.length + 1;
  return events.map(({ type, version, data }, index) => ({
    stream,
    revision: first + index,
    position,
    type,
    version,
    commit: id,
    at,
    meta,
    data,
  }));
}

function unknownHook(name: string): DroverError {
  return new DroverError('unknown-hook', `there is no hook ${name}; 'drover hooks list' names them`);
}
