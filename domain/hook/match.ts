import type { HookConditions, HookDefinition } from './definition.ts';
import type { HookTarget } from './target.ts';

/** What is known of an event beside its type; what it has nothing to say of is absent. None of it changes later. */
export interface EventFacts {
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly system?: string | undefined;
  /** Base name of the derivation. */
  readonly derivation?: string | undefined;
  /** Store directory of the derivation, where that is not the first one of the coordinator; no condition. */
  readonly storeDir?: string | undefined;
  /** Name of the derivation or store item, without its hash. */
  readonly name?: string | undefined;
  readonly class?: string | undefined;
  readonly agent?: string | undefined;
  /** Whether the derivation, by name and system, broke by this event or was fixed; known for hooks that are told of changes only. */
  readonly change?: VerdictChange | undefined;
  /** Base names of what a build that succeeded has made; no condition. */
  readonly outputs?: readonly string[] | undefined;
}

/** What was fine, or never built, fails now; or what failed is fine again. */
export interface VerdictChange {
  readonly kind: 'broken' | 'fixed';
  /** The failure that it began with: of `broken`, the event itself. */
  readonly brokenBy: string;
  /** When that happened, milliseconds since the Unix epoch. */
  readonly brokenSince: number;
}

export function matchesConditions(where: HookConditions | undefined, facts: EventFacts): boolean {
  if (where === undefined) return true;
  const isOneOf = (wanted: readonly string[] | undefined, got: string | undefined): boolean =>
    wanted === undefined || (got !== undefined && wanted.includes(got));
  return (
    isOneOf(where.systems, facts.system) &&
    isOneOf(where.classes, facts.class) &&
    isOneOf(where.agents, facts.agent) &&
    (where.name === undefined || (facts.name !== undefined && matchesPattern(where.name, facts.name))) &&
    Object.entries(where.tags ?? {}).every(([tag, value]) => facts.tags?.[tag] === value)
  );
}

/**
 * Whether the event is for the target whatever the conditions: what is in a folder goes when its item does, and what waits there for
 * something comes when that does.
 */
function isUnconditional({ kind }: Pick<HookTarget, 'kind'>, stream: string): boolean {
  return (kind === 'publish' || kind === 'mirror') && stream.startsWith('item-');
}

/**
 * Types of events that it gets. A folder that is told of what comes is told of what upstreams are found to have, too, which its definition does not
 * name where it is older than that.
 */
export function typesOf({ on, target }: Pick<HookDefinition, 'on' | 'target'>): readonly string[] {
  const follows = isUnconditional(target, 'item-') && on.includes('StoreItemAdded');
  return follows && !on.includes('StoreItemFoundUpstream') ? [...on, 'StoreItemFoundUpstream'] : on;
}

/** Whether the hook is to get the event; never one of its own stream, which would go on for ever. */
export function isFor(
  definition: Pick<HookDefinition, 'on' | 'where' | 'target'>,
  hook: string,
  event: { readonly type: string; readonly stream: string },
  facts: EventFacts,
): boolean {
  if (!typesOf(definition).includes(event.type) || event.stream === `hook-${hook}`) return false;
  return isUnconditional(definition.target, event.stream) || matchesConditions(definition.where, facts);
}

/** `*` stands for any characters, `?` for one. Takes pattern times text steps at most, whatever the pattern. */
export function matchesPattern(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1; // The last `*`, and where in the text what it stands for begins to end.
  let resume = 0;
  let next = 0;
  while (at < text.length) {
    if (pattern[next] === '*') {
      star = next++;
      resume = at;
    } else if (next < pattern.length && (pattern[next] === '?' || pattern[next] === text[at])) {
      next++;
      at++;
    } else if (star !== -1) {
      next = star + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[next] === '*') next++;
  return next === pattern.length;
}
