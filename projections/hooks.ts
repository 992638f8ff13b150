import type { HookDefinition } from '../domain/hook/definition.ts';
import type { HookEvent } from '../domain/hook/events.ts';
import { evolveHook, type HookState, initialHook } from '../domain/hook/state.ts';
import { createMemory, type Memory } from './memory.ts';

export interface HookRecord {
  readonly name: string;
  state: HookState;
  /** Revision of the last event of its stream. */
  revision: number;
  /** Of the one since which it gets the events that it gets now. */
  chosen: number;
}

/** Every hook that was ever added, with its place: one that was removed goes on from there when it is added again. */
export interface Hooks {
  get(name: string): HookRecord | undefined;
  all(): Iterable<HookRecord>;
  apply(name: string, event: HookEvent, revision: number): void;
  describe(): Iterable<string>;
}

/** Whether it was added and not removed since. */
export function isThere({ state }: HookRecord): boolean {
  return state.status === 'active' || state.status === 'paused';
}

/** What says which events it gets. */
function choiceOf(definition: HookDefinition | undefined): string | undefined {
  return definition && JSON.stringify([definition.on, definition.where, definition.target.kind]);
}

export function createHooks(memory: Memory = createMemory()): Hooks {
  const hooks = memory.map<string, HookRecord>('hooks');
  return {
    get: (name) => hooks.get(name),
    all: () => hooks.values(),
    apply(name, event, revision) {
      let hook = hooks.get(name);
      if (!hook) {
        hook = { name, state: initialHook, revision, chosen: revision };
        hooks.set(name, hook);
      }
      const before = choiceOf(hook.state.definition);
      hook.state = evolveHook(hook.state, event);
      if (choiceOf(hook.state.definition) !== before) hook.chosen = revision;
      hook.revision = revision;
    },
    *describe() {
      for (const { name, revision, state } of hooks.values())
        yield `hook ${name} ${revision} ${JSON.stringify({ ...state, held: [...state.held] })}`;
    },
  };
}
