import type { Standing } from '../../domain/build/standing.ts';
import type { BuildStatus } from '../../domain/build/state.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { hashPartLength } from '../../domain/store/store-path.ts';
import { buildId } from '../../projections/builds.ts';
import { standingOf } from '../../projections/standing.ts';
import { type Core, useKnown } from '../core.ts';
import { DroverError } from '../errors.ts';
import { pastDerivation, pastDerivationOf } from '../history/past.ts';

/** What a build needs of one derivation, or one source. */
export interface BuildInput {
  /** Base name of the derivation; absent for a source. */
  readonly derivation?: string;
  readonly items: readonly {
    /** Of the derivation; absent for a source. */
    readonly output?: string;
    /** Base name of the store item. */
    readonly path: string;
    /** Whether it can be had now, with all that it refers to. */
    readonly available: boolean;
  }[];
  /** The last build of the derivation that is remembered, and how it stands. */
  readonly build?: string;
  readonly state?: BuildStatus | Standing;
}

export interface BuildInputs {
  readonly derivation: string;
  /** In the order of the derivation: those that are built, then the sources. */
  readonly inputs: readonly BuildInput[];
  readonly total: number;
  /** To be given as `after`, where there are more. */
  readonly next?: number;
}

export interface InputsPage {
  /** How many to pass over. */
  readonly after?: number | undefined;
  readonly limit: number;
}

/**
 * What a build needs, as far as its derivation says, and whether it is there now. Of derivations that are not in memory any more it is read from
 * their own streams.
 *
 * @throws DroverError where there is no such build, or the log says nothing of its derivation
 */
export async function buildInputs(
  core: Pick<Core, 'farm' | 'log'>,
  id: string,
  { after = 0, limit }: InputsPage,
): Promise<BuildInputs> {
  const derivation = await useKnown(core, id, ({ farm, build }) => farm.graph.drvPath(build.drv));
  const added = await pastDerivation(core, derivation);
  if (added === undefined)
    throw new DroverError(
      'not-found',
      `expected the log to have the derivation ${derivation}, got none that is understood`,
    );
  const { inputs, sources } = added.data;
  const found: BuildInput[] = [];
  for (const input of inputs.slice(after, after + limit)) found.push(await builtInput(core, input));
  for (const path of sources.slice(Math.max(0, after - inputs.length), Math.max(0, after + limit - inputs.length)))
    found.push({ items: [{ path, available: isAvailable(core, path) }] });
  const total = inputs.length + sources.length;
  return { derivation, inputs: found, total, ...(after + limit < total && { next: after + limit }) };
}

function isAvailable({ farm }: Pick<Core, 'farm'>, path: string): boolean {
  const item = farm.graph.itemOf(path);
  return item !== undefined && farm.availability.isAvailable(item);
}

/** @param input as {@link DerivationFacts} has it */
async function builtInput(
  core: Pick<Core, 'farm' | 'log'>,
  input: DerivationFacts['inputs'][number],
): Promise<BuildInput> {
  const hash = input.slice(0, hashPartLength);
  const names = input.length === hashPartLength ? ['out'] : input.slice(hashPartLength + 1).split(',');
  const { farm } = core;
  const { graph, queue } = farm;
  const drv = graph.drvByHash(hash);
  if (drv === undefined) {
    const past = await pastDerivationOf(core, hash);
    // It was added before what needs it was.
    if (past === undefined)
      throw new DroverError(
        'not-found',
        `expected the log to have the derivation ${hash}, got none that is understood`,
      );
    const { path: derivation, outputs } = past.data;
    const items = names.flatMap((output) => {
      const path = outputs[output];
      return path === undefined ? [] : [{ output, path, available: isAvailable(core, path) }];
    });
    return { derivation, items };
  }
  const items = graph
    .outputs(drv)
    .filter(({ name }) => names.includes(name))
    .map(({ name, item }) => ({
      output: name,
      path: graph.itemPath(item),
      available: farm.availability.isAvailable(item),
    }));
  const last = queue.latest(drv);
  return {
    derivation: graph.drvPath(drv),
    items,
    ...(last && { build: buildId(last), state: standingOf(farm, last) ?? last.state.status }),
  };
}
