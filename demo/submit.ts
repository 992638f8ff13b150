import { connect } from '../cli/http/connection.ts';
import type { Submitted } from '../cli/submit/submit.ts';
import type { BuildDetail, BuildRow, Page } from '../coordinator/ports/views.ts';
import type { Commands } from './commands.ts';
import type { Workspace } from './workspace.ts';

/** The arguments that submit the graph. Its derivations are made in a store of their own, so that none is needed at /nix. */
export function submitArguments(workspace: Workspace, attribute = 'release'): readonly string[] {
  return ['submit', '--expr', 'demo/graph.nix', '-A', attribute, '--store-root', workspace.file('evaluation')];
}

/** Submits the graph, shows how it goes until all of it is built, and resolves with the builds. */
export async function submitGraph(commands: Commands, workspace: Workspace): Promise<readonly BuildDetail[]> {
  const answer = await commands.run('drover', [...submitArguments(workspace), '--wait', '--json']);
  const { submission } = JSON.parse(answer.toString()) as Submitted;
  // Every attempt of every build: no command lists those, so the API is asked.
  const client = connect({}, { environment: commands.environment, err: (text) => void process.stderr.write(text) });
  const { rows } = await client.get<Page<BuildRow>>('/v1/builds', { submission, limit: 1000 });
  return await Promise.all(rows.map(({ id }) => client.get<BuildDetail>(`/v1/builds/${id}`)));
}
