import { decideHook, type HookCommand } from '../../domain/hook/decide.ts';
import type { HookDefinition, HookPlace } from '../../domain/hook/definition.ts';
import { initialHook } from '../../domain/hook/state.ts';
import { type HookRecord, isThere } from '../../projections/hooks.ts';
import type { Core } from '../core.ts';
import { DroverError } from '../errors.ts';
import { durableWithin } from '../log/writer.ts';
import type { Commit, Meta, Position, StoredEvent } from '../ports/event-store.ts';
import { builtInOf } from './built-ins.ts';
import { type Head, type HookStart, placeOf } from './places.ts';
import { createHookRunner, type HookRunner } from './runner.ts';
import { createStoredFacts } from './stored-facts.ts';
import { forbiddenByApi } from './trust.ts';
import { createHookWishes, type HookWishes } from './wishes.ts';

export interface DeclaredHook {
  readonly name: string;
  readonly definition: HookDefinition;
  readonly from: HookStart;
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
  const { farm, writer, log, runtime, logger, policy, hookTransport: transport, tracing } = core;
  const runners = new Map<string, HookRunner>();
  let head: Head | undefined;
  let passed = 0;
  let isOver = false;

  const facts = createStoredFacts(core);

  function commit(name: string, command: HookCommand, meta: Meta): void {
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
  }

  function start(hook: HookRecord): void {
    const runner = createHookRunner({
      hook,
      forbidden: () =>
        hook.state.source === 'api'
          ? forbiddenByApi(policy.trustHooksOfApi, hook.state.definition as HookDefinition)
          : undefined,
      log,
      logId,
      runtime,
      transport,
      tracing,
      logger,
      facts,
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

  /** What is kept for further deliveries is let go. */
  function release(name: string): void {
    const definition = farm.hooks.get(name)?.state.definition;
    if (definition) transport.release?.(definition.target);
  }

  /** Ends what the hook was doing at once, and begins anew when its events are durable. */
  function begin(name: string): void {
    const ended = end(name);
    writer.afterwards(() => {
      void ended.then(() => {
        const hook = farm.hooks.get(name);
        if (!isOver && hook && isThere(hook) && !runners.has(name)) start(hook);
      });
    });
  }

  writer.listen((category, name, event) => {
    if (category !== 'hook') return;
    const isOther =
      event.type === 'HookChanged' &&
      (runners.get(name)?.isSelective || builtInOf(event.data.definition.target)?.changesOnly);
    if (event.type === 'HookAdded' || event.type === 'HookReplayed' || isOther) begin(name);
    else if (event.type === 'HookRemoved') void end(name).then(() => release(name));
    else if (event.type === 'HookChanged' || event.type === 'HookPaused' || event.type === 'HookResumed')
      writer.afterwards(() => {
        runners.get(name)?.changed();
        if (event.type === 'HookPaused') release(name);
      });
  });

  writer.whenDurable((commit, last) => {
    deliver(commit, last);
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
    if (!hook || !isThere(hook)) throw unknownHook(name);
    return hook;
  }

  let logIdKnown: string | undefined;
  async function logId(): Promise<string> {
    if (logIdKnown === undefined)
      for await (const { events } of log.readAll({ limit: 1 })) for (const { commit } of events) logIdKnown ??= commit;
    if (logIdKnown === undefined) throw new Error('a hook is there in a log that has no events');
    return logIdKnown;
  }

  /** The event that the hook's stream gets next: everything before it is not new. */
  function nowOf(name: string): HookPlace {
    const hook = farm.hooks.get(name);
    const revision = hook?.revision ?? farm.strays.revision('hook', name);
    return { after: `hook-${name}@${revision === undefined ? 0 : revision + 1}` };
  }

  function remove(name: string, reason: string | undefined, meta: Meta): void {
    runners.get(name)?.writeDown();
    commit(name, { type: 'remove', reason }, meta);
  }

  return {
    wishes: createHookWishes(core, {
      commit,
      find,
      nowOf,
      remove,
      runnerOf: (name) => runners.get(name),
      facts,
      logId,
    }),
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
        const place = hook === undefined ? await placeOf(log, from) : undefined;
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
      await durableWithin(core, graceMs);
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
