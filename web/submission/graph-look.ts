import type { Operations } from 'drover/client';
import type { Look } from '../graph/look.ts';
import { count, splitName } from '../words/format.ts';

export type Graph = Required<Operations['getSubmissionGraph']['answer']>;

/** What is bad comes first, then what is under way; the first of these that is there is what a part is shown as. */
const telling = ['failed', 'blocked', 'building', 'fetching', 'canceled', 'back-off', 'ready', 'deferred', 'waiting'];

/** How a graph is shown: its nodes, and after them its parts. */
export function lookOf(
  { nodes, parts, states, partStates, stateNames }: Graph,
  path: readonly string[],
): Omit<Look, 'inTrouble'> {
  const placeOf = new Map(nodes.map(({ build }, node) => [build, node]));
  const own = states.map((state) => stateNames[state] ?? 'waiting');
  const inside = new Map(
    partStates.map((counts, part) => [
      nodes.length + part,
      counts.flatMap((builds, state) => (builds > 0 ? [[stateNames[state] as string, builds] as const] : [])),
    ]),
  );
  const ofPart = (part: number): string => {
    const there = inside.get(nodes.length + part) ?? [];
    return telling.find((state) => there.some(([one]) => one === state)) ?? 'succeeded';
  };
  const counts = new Map<string, number>();
  const add = (state: string, builds: number): void => void counts.set(state, (counts.get(state) ?? 0) + builds);
  for (const state of own) add(state, 1);
  for (const some of inside.values()) for (const [state, builds] of some) add(state, builds);
  return {
    counts,
    states: [...own, ...parts.map((_, part) => ofPart(part))],
    labels: [...nodes.map(({ derivation }) => splitName(derivation).name), ...parts.map(({ prefix }) => `${prefix}…`)],
    notes: [...own.map((state) => state.replace('-', ' ')), ...parts.map(({ builds }) => `${count(builds)} builds`)],
    parts: inside,
    path: path.flatMap((build) => placeOf.get(build) ?? []),
  };
}
