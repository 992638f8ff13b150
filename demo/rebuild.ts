import { connect } from '../cli/http/connection.ts';
import { shortName } from '../cli/output/text.ts';
import type { BuildDetail, BuildRow, Page } from '../coordinator/ports/views.ts';
import type { Commands } from './commands.ts';
import { submitArguments } from './submit.ts';
import type { Workspace } from './workspace.ts';

/**
 * Deletes an output that a build waits to use, and shows that it is built again by itself and that the build succeeds. The build needs
 * the agent `oak`, which is paused meanwhile; `elm` can make the output.
 *
 * @param builds of the graph.
 * @returns a line on each build.
 */
export async function deleteWhatIsNeeded(
  commands: Commands,
  workspace: Workspace,
  builds: readonly BuildDetail[],
): Promise<readonly string[]> {
  const index = builds.find(({ derivation }) => shortName(derivation) === 'index');
  const output = index?.outputs.out;
  if (index === undefined || output === undefined) throw new Error('expected a build of index in the graph, got none');
  const reprint = submitArguments(workspace, 'reprint');
  await commands.run('drover', ['agents', 'pause', 'oak', '--reason', 'out of paper']);
  await commands.run('drover', reprint);
  await commands.run('drover', ['items', 'delete', output, '--force', '--yes', '--reason', 'a misprint']);
  await commands.run('drover', ['agents', 'resume', 'oak']);
  await commands.run('drover', [...reprint, '--wait']);

  const client = connect({}, { environment: commands.environment, err: (text) => void process.stderr.write(text) });
  const newest = async (derivation: string): Promise<BuildRow | undefined> =>
    (await client.get<Page<BuildRow>>('/v1/builds', { derivation, limit: 1 })).rows[0];
  const again = await newest(index.derivation);
  const { rows } = await client.get<Page<BuildRow>>('/v1/builds', { name: 'reprint', limit: 1 });
  const lines = [again, rows[0]].map((build) => {
    if (build?.state !== 'succeeded') throw new Error(`expected a build that succeeded, got ${JSON.stringify(build)}`);
    const why = build.reason === 'rebuild' ? 'built again by itself' : 'built of it';
    return `${shortName(build.derivation).padEnd(8)} ${why} on ${build.agent}: build ${build.id}`;
  });
  if (again?.reason !== 'rebuild') throw new Error(`expected a rebuild of index, got ${JSON.stringify(again)}`);
  return lines;
}
