import type { DroverEvent } from '../domain/events.ts';
import type { EventFacts } from '../domain/hook/match.ts';
import type { Farm } from './farm.ts';

/**
 * What is known of an event beside its type. Everything it looks up was settled by the time the event happened and stays as it was
 * (a build's derivation and tags, who had an attempt), so that it is the same on a live event and on one that is read years later.
 *
 * @param farm one that has folded the event.
 * @param id the stream's name without its category.
 */
export function factsOf(
  farm: Pick<Farm, 'graph' | 'queue' | 'submissions'>,
  category: string,
  id: string,
  event: DroverEvent,
): EventFacts {
  switch (category) {
    case 'build':
      return buildFacts(farm, id, event);
    case 'derivation':
      return derivationFacts(farm, farm.graph.drvByHash(id));
    case 'item':
      return itemFacts(farm, event);
    case 'submission':
      return { tags: farm.submissions.get(id)?.wish.options.tags };
    case 'agent':
      return { agent: id };
    case 'token':
      return event.type === 'TokenIssued' ? { agent: event.data.agent } : {};
    default:
      return {};
  }
}

function buildFacts({ queue, graph }: Pick<Farm, 'queue' | 'graph'>, id: string, event: DroverEvent): EventFacts {
  const build = queue.build(id);
  if (!build) return {};
  const data = event.data as { agent?: string; attempt?: number; class?: string };
  const hasSucceeded = event.type === 'BuildSucceeded' || event.type === 'BuildSatisfied';
  return {
    ...derivationFacts({ graph }, build.drv),
    ...(hasSucceeded && { outputs: graph.outputs(build.drv).map(({ item }) => graph.itemPath(item)) }),
    tags: build.state.options.tags,
    class: data.class,
    agent: data.agent ?? (data.attempt === undefined ? undefined : build.state.agents[data.attempt - 1]),
  };
}

function derivationFacts({ graph }: Pick<Farm, 'graph'>, drv: number | undefined): EventFacts {
  if (drv === undefined) return {};
  const derivation = graph.drvPath(drv);
  const { system, storeDir } = graph.jobClass(drv);
  return {
    derivation,
    ...(storeDir !== undefined && { storeDir }),
    name: derivation.slice(33).replace(/\.drv$/, ''),
    system,
  };
}

function itemFacts({ graph }: Pick<Farm, 'graph'>, event: DroverEvent): EventFacts {
  const { path, deriver } = event.data as { path?: string; deriver?: string };
  const drv = deriver === undefined ? undefined : graph.drvOf(deriver);
  return { name: path?.slice(33), ...(drv !== undefined && { system: graph.jobClass(drv).system }) };
}
