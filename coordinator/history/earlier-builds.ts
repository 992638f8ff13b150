import { recordEarlier } from '../../domain/history/earlier-builds.ts';
import { minCommitBytes } from '../../domain/limits.ts';
import type { Application } from '../application.ts';
import type { Core } from '../core.ts';

/** An event of it is read as a whole by whoever reads one of its builds: no more than half of what every event store takes. */
const eventBytes = minCommitBytes / 2;

/** Builds that ended at other coordinators: facts about these, which change nothing that is decided here. */
export function createEarlierBuilds({ farm, writer }: Core): Pick<Application, 'recordEarlierBuilds'> {
  return {
    async recordEarlierBuilds(by, { source, builds }) {
      // One by one, as many builds take more than a commit.
      for (const event of recordEarlier(builds, eventBytes))
        writer.commit('history', source, farm.earlier.get(source)?.revision ?? 'none', [event], { actor: by.id });
      await writer.durable();
    },
  };
}
