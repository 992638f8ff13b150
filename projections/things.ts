import { intakeOf, reasonOf } from '../domain/agent/state.ts';
import { liveAgent } from '../domain/build/state.ts';
import type { Category } from '../domain/events.ts';
import { parkedEvents } from '../domain/hook/state.ts';
import type { Farm } from './farm.ts';

/**
 * What two moments are compared by: a thing's state, and what else of it is worth telling. It depends on the events of its own stream
 * alone, so it changes with these and with no others.
 */
export interface ThingState {
  readonly state: string;
  readonly [field: string]: unknown;
}

/** Kinds of things that two moments are compared by, by the category of their streams. */
export const thingKinds = {
  build: 'builds',
  item: 'items',
  agent: 'agents',
  submission: 'submissions',
  token: 'tokens',
  hook: 'hooks',
  root: 'roots',
  derivation: 'texts',
} as const satisfies Partial<Record<Category, string>>;
export type ThingCategory = keyof typeof thingKinds;
export type ThingKind = (typeof thingKinds)[ThingCategory];

/** How a thing stands; `undefined` where it is not there. Of derivations, whether their texts are. */
export function thingState(farm: Farm, category: ThingCategory, id: string): ThingState | undefined {
  return readers[category](farm, id);
}

/** What people know the thing by: a build's derivation, an item's path, a token's name; the name of its stream without the category otherwise. */
export function thingName({ queue, graph, tokens }: Farm, category: ThingCategory, id: string): string {
  if (category === 'build') {
    const build = queue.build(id);
    return build ? graph.drvPath(build.drv) : id;
  }
  if (category === 'token') return tokens.get(id)?.name ?? id;
  const item = category === 'item' ? graph.itemByHash(id) : undefined;
  if (item !== undefined) return graph.itemPath(item);
  const drv = category === 'derivation' ? graph.drvByHash(id) : undefined;
  return drv === undefined ? id : graph.drvPath(drv);
}

const readers: Readonly<Record<ThingCategory, (farm: Farm, id: string) => ThingState | undefined>> = {
  build({ queue }, id) {
    const build = queue.build(id);
    if (!build) return undefined;
    const { status, attempt, options } = build.state;
    return { state: status, attempt, agent: liveAgent(build.state), priority: options.priority };
  },
  item({ graph, availability, details, unpublished, upstreams }, id) {
    const item = graph.itemByHash(id);
    if (item === undefined) return undefined;
    const narHash = details.narHash(item);
    if (availability.isPresent(item)) return { state: 'present', narHash };
    const elsewhere = upstreams.get(item);
    if (elsewhere !== undefined)
      return { state: 'upstream', narHash: elsewhere.narHash, upstream: elsewhere.upstream, until: elsewhere.expires };
    const until = unpublished.get(item)?.until;
    return until === undefined ? undefined : { state: 'unpublished', narHash, until };
  },
  agent({ agents }, id) {
    const state = agents.get(id)?.state;
    if (!state) return undefined;
    const { connection, version, builder, abilities } = state;
    return { state: connection, intake: intakeOf(state), reason: reasonOf(state), version, builder, ...abilities };
  },
  submission({ submissions }, id) {
    const submission = submissions.get(id);
    if (!submission) return undefined;
    const { status, queued, setAside, wish } = submission;
    const unqueued = setAside === undefined ? 'under-way' : 'set-aside';
    const state = status === 'received' ? unqueued : status;
    return { state, roots: wish.rootCount, builds: queued?.builds, joined: queued?.joined };
  },
  token({ tokens }, id) {
    const token = tokens.get(id);
    if (!token) return undefined;
    const { name, scope, revocation, ends } = token;
    return { state: revocation ? 'revoked' : ends ? 'replaced' : 'valid', name, scope, until: ends?.at };
  },
  hook({ hooks }, id) {
    const state = hooks.get(id)?.state;
    if (!state) return undefined;
    const { status, source, definition, reason } = state;
    return { state: status, source, ...definition, reason, parked: parkedEvents(state).length };
  },
  root({ roots }, id) {
    const state = roots.get(id)?.state;
    return state === undefined || state.targets.size === 0
      ? undefined
      : { state: 'kept', source: state.source, targets: state.targets.size };
  },
  derivation({ graph, texts }, id) {
    const drv = graph.drvByHash(id);
    const lost = drv === undefined ? undefined : texts.lost(drv);
    return lost === undefined ? undefined : { state: 'lost', reason: lost };
  },
};
