import { type HookDefinition, mostHooks } from '../../domain/hook/definition.ts';
import { type EventFacts, isFor } from '../../domain/hook/match.ts';
import { parkedEvents } from '../../domain/hook/state.ts';
import { type HookRecord, isThere } from '../../projections/hooks.ts';
import type { Principal } from '../application.ts';
import type { Core } from '../core.ts';
import { DroverError } from '../errors.ts';
import type { Position } from '../ports/event-store.ts';
import { launch } from './flight.ts';
import { type HookStart, placeOf, readEvent } from './places.ts';
import type { HookRunner } from './runner.ts';
import type { HookRunners } from './running.ts';
import { selectionOf, selectUpTo } from './selection.ts';
import { usualStart } from './settings.ts';
import { type HookStatus, statusOf, statusWithoutRunner } from './status.ts';
import { forbiddenByApi } from './trust.ts';

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
  /** Why nothing was to be told of the event. */
  readonly note?: string;
  readonly ms: number;
}

/** What operators want of hooks, decided and made durable. */
export function createHookWishes(core: Core, hooks: HookRunners): HookWishes {
  const { farm, writer, log, runtime, logger, policy, hookTransport: transport } = core;
  const { commit, find, nowOf, remove, runnerOf, facts: known, logId } = hooks;

  async function requireUsable(definition: HookDefinition): Promise<void> {
    const forbidden = forbiddenByApi(policy.trustHooksOfApi, definition);
    if (forbidden !== undefined) throw new DroverError('hook-not-usable', forbidden);
    const problem = await transport.check(definition.target);
    if (problem !== undefined) throw new DroverError('hook-not-usable', problem);
  }

  function requireOwn(name: string): void {
    if (farm.hooks.get(name)?.state.source !== 'config') return;
    throw new DroverError(
      'hook-in-configuration',
      `the hook ${name} is declared in the coordinator's configuration: change it there and start the coordinator again`,
    );
  }

  function findRunner(name: string): HookRunner {
    find(name);
    const runner = runnerOf(name);
    if (!runner) throw new DroverError('not-ready', `the hook ${name} is starting; try again`);
    return runner;
  }

  /** Streams whose held event lies before the place: it would not be delivered from there. */
  async function heldBefore(hook: HookRecord, position: Position): Promise<string[]> {
    const kept: string[] = [];
    for (const [stream, { revision }] of hook.state.held) {
      const stored = await readEvent(log, `${stream}@${revision}`);
      if (stored !== undefined && stored.position <= position) kept.push(stream);
    }
    return kept;
  }

  const statusByName = (name: string): HookStatus => {
    const runner = runnerOf(name);
    const hook = farm.hooks.get(name);
    if (runner) return statusOf(runner, runtime.clock.now());
    return { ...statusWithoutRunner(hook as HookRecord), waits: 'it is starting' };
  };
  async function done(name: string): Promise<HookStatus> {
    await writer.durable();
    return statusByName(name);
  }

  return {
    hooks: () => [...farm.hooks.all()].filter(isThere).map(({ name }) => statusByName(name)),
    async addHook(by, name, { definition, from }) {
      await requireUsable(definition);
      const isNew = farm.hooks.get(name) === undefined;
      const start = from ?? (isNew ? usualStart(definition) : undefined);
      const place = start === undefined ? undefined : await placeOf(log, start);
      const others = [...farm.hooks.all()].filter((hook) => isThere(hook) && hook.name !== name).length;
      if (others >= mostHooks)
        throw new DroverError('hook-not-usable', `expected at most ${mostHooks} hooks, got another; remove one first`);
      const now = nowOf(name);
      const wanted = start === undefined ? undefined : (place?.place ?? now);
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
      const place = await placeOf(log, from);
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
      const { state } = find(name);
      const { definition, source } = state as { definition: HookDefinition; source: 'api' | 'config' };
      const forbidden = source === 'api' ? forbiddenByApi(policy.trustHooksOfApi, definition) : undefined;
      if (forbidden !== undefined) throw new DroverError('hook-not-usable', forbidden);
      const stored = await readEvent(log, id);
      if (!stored) throw new DroverError('unknown-event', `there is no event ${id}`);
      const selection = selectionOf(definition, known.of);
      let selected: EventFacts | undefined;
      if (selection)
        for await (const one of selectUpTo(selection, known, log, stored.position))
          if (one.stream === stored.stream && one.revision === stored.revision) selected = one.facts;
      await known.recall([stored]);
      const facts = selected ?? known.of(stored);
      const { timeoutSeconds, target } = definition;
      logger.info({ hook: name, event: id, by: by.id }, `the hook ${name} is tried with ${id}`);
      const { position: _, ...event } = stored;
      const delivery = {
        hook: name,
        target,
        log: await logId(),
        event,
        facts,
        wanted: true,
        begun: state.begun,
        attempt: 1,
      };
      const flight = launch(transport, runtime, delivery, timeoutSeconds);
      const outcome = await flight.outcome;
      const ms = Math.round(runtime.clock.monotonic() - flight.since);
      const matches = selection ? selected !== undefined : isFor(definition, name, stored, facts);
      return { matches, ms, ...outcome };
    },
  };
}
