import type { Decision } from '../event.ts';
import { namesPerEvent } from '../limits.ts';
import type { RootEvent, RootSource } from './events.ts';
import type { RootState } from './state.ts';

export type RootCommand =
  | {
      readonly type: 'add';
      /** Base names of store items, without repeats. */
      readonly targets: readonly string[];
      /** Milliseconds since the Unix epoch; for good if `undefined`. */
      readonly until: number | undefined;
      readonly source: RootSource;
      readonly submission?: string | undefined;
      /** Whether what it keeps beside these goes. */
      readonly replace?: boolean | undefined;
    }
  | { readonly type: 'expire'; readonly until: number }
  | {
      readonly type: 'remove';
      /** All of them if `undefined`. */
      readonly targets: readonly string[] | undefined;
      readonly source: RootSource;
      readonly reason?: string | undefined;
    };

export type RootRefusal =
  | { readonly code: 'unknown-root' }
  /** It does not keep this one. */
  | { readonly code: 'unknown-root-target'; readonly target: string }
  | { readonly code: 'root-in-configuration' };

/** Decides a wish about one root. Repeats of what holds already are granted with no events. */
export function decideRoot(state: RootState, command: RootCommand): Decision<RootEvent, RootRefusal> {
  const isThere = state.targets.size > 0;
  // What the configuration keeps is its own: what somebody else adds would go with the next change of it.
  if (isThere && command.type !== 'expire' && (state.source === 'config') !== (command.source === 'config'))
    return { refused: { code: 'root-in-configuration' } };
  switch (command.type) {
    case 'add': {
      const { until, source, submission, replace = false } = command;
      const end = until ?? Number.POSITIVE_INFINITY;
      const added = command.targets.filter((target) => (state.targets.get(target) ?? 0) < end);
      const wanted = new Set(command.targets);
      const others = replace ? [...state.targets.keys()].filter((target) => !wanted.has(target)) : [];
      const more = { source, ...(until !== undefined && { until }), ...(submission !== undefined && { submission }) };
      // What comes is kept before what goes is not: each event may be the last.
      return {
        events: [
          ...portions(added).map((targets) => ({ type: 'RootAdded', data: { targets, ...more } }) as const),
          ...portions(others).map(
            (targets) => ({ type: 'RootRemoved', data: { targets, reason: 'replaced' } }) as const,
          ),
        ],
      };
    }
    case 'expire': {
      const isDue = [...state.targets.values()].some((end) => end <= command.until);
      return { events: isDue ? [{ type: 'RootExpired', data: { until: command.until } }] : [] };
    }
    case 'remove': {
      if (!isThere) return { refused: { code: 'unknown-root' } };
      const { targets, reason } = command;
      const more = reason === undefined ? {} : { reason };
      if (targets === undefined) return { events: [{ type: 'RootRemoved', data: more }] };
      const target = targets.find((each) => !state.targets.has(each));
      if (target !== undefined) return { refused: { code: 'unknown-root-target', target } };
      return { events: portions(targets).map((each) => ({ type: 'RootRemoved', data: { targets: each, ...more } })) };
    }
  }
}

/** As many as an event names at a time. */
function portions(targets: readonly string[]): string[][] {
  const found: string[][] = [];
  for (let next = 0; next < targets.length; next += namesPerEvent)
    found.push(targets.slice(next, next + namesPerEvent));
  return found;
}
