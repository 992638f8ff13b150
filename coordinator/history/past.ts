import type { Category } from '../../domain/events.ts';
import { hashPartLength } from '../../domain/store/store-path.ts';
import type { BuildRecord } from '../../projections/builds.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import type { Loss } from '../../projections/losses.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import type { Core } from '../core.ts';
import { decodeEvent, type RecordedEvent } from '../log/event-codec.ts';
import type { StreamId } from '../ports/event-store.ts';

/*
 * What the farm has forgotten (projections/forgetting.ts) is folded from its own streams, by the same folds, when somebody asks for it. What
 * follows from other streams is not known of it: what a build waited for, above all.
 */

type Added = Extract<RecordedEvent, { type: 'DerivationAdded' }>;
type Sources = Pick<Core, 'farm' | 'log'>;

/** A build, and a farm that knows it, its derivation without inputs, and its submission; agents and tokens are those of now. */
export interface KnownBuild {
  readonly farm: Farm;
  readonly build: BuildRecord;
}

/** Events of one build that are read, and of one item. */
const mostEvents = 10_000;
const mostItemEvents = 100;

/** A build that has ended and was forgotten; `undefined` where there never was such a build, or what is known of it is not understood. */
export async function pastBuild(sources: Sources, id: string): Promise<KnownBuild | undefined> {
  const events = await read(sources, `build-${id}`, mostEvents);
  const [first] = events;
  if (first?.type !== 'BuildSubmitted') return undefined;
  const { derivation, submission } = first.data;
  const added = await pastDerivation(sources, derivation);
  if (added === undefined) return undefined;
  const farm = createFarm(0, false);
  for (const event of await read(sources, `submission-${submission}`, 1)) apply(farm, event);
  apply(farm, { ...added, data: { ...added.data, inputs: [], sources: [] } });
  for (const event of events) apply(farm, event);
  const build = farm.queue.build(id);
  return build && { farm: { ...farm, agents: sources.farm.agents, tokens: sources.farm.tokens }, build };
}

/** A submission that was forgotten, with all that it asked for by name. */
export async function pastSubmission(sources: Sources, id: string): Promise<SubmissionRecord | undefined> {
  const farm = createFarm(0, false);
  let roots: readonly string[] = [];
  let rootTags: SubmissionRecord['rootTags'] = {};
  for (const event of await read(sources, `submission-${id}`, mostEvents)) {
    if (event.type === 'SubmissionReceived' || event.type === 'SubmissionRootsAdded') {
      roots = [...roots, ...event.data.roots];
      rootTags = { ...rootTags, ...event.data.rootTags };
    }
    apply(farm, event);
  }
  const record = farm.submissions.get(id);
  return record && { ...record, roots, rootTags };
}

/** Of a derivation that was forgotten, the event that added it first. */
export async function pastDerivation(sources: Pick<Sources, 'log'>, path: string): Promise<Added | undefined> {
  const added = await pastDerivationOf(sources, path.slice(0, hashPartLength));
  return added?.data.path === path ? added : undefined;
}

/** The same, by the hash part of its path. */
export async function pastDerivationOf(sources: Pick<Sources, 'log'>, hash: string): Promise<Added | undefined> {
  const [added] = await read(sources, `derivation-${hash}`, 1);
  return added?.type === 'DerivationAdded' ? added : undefined;
}

/** A store item that is not here and was forgotten. */
export interface PastItem {
  /** How it went. */
  readonly loss?: Loss | undefined;
  /** Base name of the derivation that made it, where that was told when it came last. */
  readonly deriver?: string | undefined;
}

/** `undefined` where there never was such an item. */
export async function pastItem(sources: Sources, path: string): Promise<PastItem | undefined> {
  const farm = createFarm(0, false);
  let found: { deriver?: string | undefined } | undefined;
  // The last of them, which tell how it came and went.
  const events = await read(sources, `item-${path.slice(0, hashPartLength)}`, mostItemEvents, true);
  for (const event of events.reverse()) {
    if (!('path' in event.data) || event.data.path !== path) continue;
    if (event.type === 'StoreItemAdded' || event.type === 'StoreItemFoundUpstream')
      found = { deriver: event.data.deriver };
    if (found !== undefined) apply(farm, event);
  }
  const item = farm.graph.itemOf(path);
  return found && { ...found, loss: item === undefined ? undefined : farm.losses.get(item) };
}

function apply(farm: Farm, event: RecordedEvent): void {
  const { stream, revision, at, meta } = event;
  const dash = stream.indexOf('-');
  const category = stream.slice(0, dash) as Category;
  farm.apply(category, stream.slice(dash + 1), event, revision, at, meta.correlation, meta.trace, meta.actor);
}

/** Those that are understood. */
async function read(
  { log }: Pick<Sources, 'log'>,
  stream: StreamId,
  limit: number,
  backward = false,
): Promise<RecordedEvent[]> {
  const found: RecordedEvent[] = [];
  for await (const stored of log.read(stream, { limit, backward })) {
    const event = decodeEvent(stored);
    if (event.known) found.push(event);
  }
  return found;
}
