import { type BuildRecord, buildId } from '../../projections/builds.ts';
import { type Core, commandBuild } from '../core.ts';

/**
 * Ends queued builds whose outputs have all become available by something else: the build of another derivation that has the same
 * outputs, a client that sent them, an upstream that was found to have them. Without that, such a build might wait for ever for inputs that nobody else wants. One that was asked
 * for with force is built all the same, and an attempt that an agent has goes on.
 */
export function startSatisfying(core: Core): void {
  const { farm, writer } = core;
  let scheduled = false;

  /** Those that have outputs which the pool does not have. */
  function upstreamsOf({ drv }: BuildRecord): string[] {
    const names = new Set<string>();
    farm.graph.eachOutput(drv, (item) => {
      const upstream = farm.upstreams.get(item)?.upstream;
      if (upstream !== undefined) names.add(upstream);
    });
    return [...names];
  }

  function end(): void {
    scheduled = false;
    if (writer.failure) return;
    for (const build of [...farm.queue.satisfied()]) {
      core.logger.info({ build: buildId(build) }, 'its outputs are available: it needs no attempt');
      commandBuild(core, build, { type: 'satisfy', upstreams: upstreamsOf(build) }, { actor: 'queue' });
    }
  }

  function look(): void {
    if (scheduled || farm.queue.satisfied().size === 0) return;
    scheduled = true;
    // A decision of its own, not from within the fold: the success that the items belong to may follow in the same turn.
    queueMicrotask(end);
  }

  writer.listen(look);
  look();
}
