import type { BuildDetail } from '../coordinator/ports/views.ts';
import { commandLine, quote } from './commands.ts';
import { cacheHome } from './environment.ts';
import type { Farm } from './farm.ts';
import { storePath, substituteArguments } from './fetch.ts';
import { submitArguments } from './submit.ts';
import type { Workspace } from './workspace.ts';

/** Commands to try on a farm that was left up, each of which works as it stands. */
export function tryNext(
  farm: Farm,
  workspace: Workspace,
  builds: readonly BuildDetail[],
  after: 'stay' | 'leave',
): string {
  const press = builds.find((build) => build.attempts.length > 1)?.id ?? builds[0]?.id ?? '';
  const drover = (...args: string[]) => `  ${commandLine('drover', args)}`;
  const release = builds.find(({ derivation }) => derivation.endsWith('-release.drv'))?.outputs.out ?? '';
  const fetch = [...substituteArguments(farm, workspace.file('another-store')), storePath(release)];
  const waiting = [...submitArguments(workspace), '--no-inputs', '--force'];
  return [
    'The farm is up, and goes on. Look at it with a browser:',
    '',
    `  ${farm.url}/`,
    '',
    'It asks for a token, which may do everything there; this prints it:',
    '',
    `  ${commandLine('cat', [farm.adminTokenFile])}`,
    '',
    after === 'stay' ? 'In another terminal, in this folder, try:' : 'In this folder, try:',
    '',
    `  export DROVER_URL=${farm.url} DROVER_TOKEN_FILE=${farm.adminTokenFile}`,
    drover('status'),
    drover('agents', 'list'),
    drover('builds', 'list', '--limit', '10'),
    drover('builds', 'show', press),
    drover('builds', 'log', press, '--attempt', '1'),
    drover('items', 'list', '--name', 'edition'),
    `${drover('events', 'tail', '--from', 'start')}    # until Ctrl-C`,
    '',
    'A build that waits, and why; it needs the agent that is paused:',
    '',
    drover('agents', 'pause', 'elm', '--reason', 'a look at the machine'),
    drover(...waiting),
    drover('builds', 'list', '--state', 'queued', '--name', 'release'),
    `  npx drover builds why "$(npx drover builds list --state queued --name release --json | sed -n 's/.*"id": "\\(.*\\)".*/\\1/p')"`,
    drover('agents', 'resume', 'elm'),
    '',
    'An ordinary Nix client, with this cache alone:',
    '',
    `  curl ${farm.url}/nix-cache-info`,
    `  XDG_CACHE_HOME=${quote(cacheHome(workspace))} ${commandLine('nix', ['--extra-experimental-features', 'nix-command', 'build', '--no-link', ...fetch])}`,
    '',
    ...(after === 'stay'
      ? ['When you have seen enough: Ctrl-C. It ends with the terminal, too.']
      : ['When you have seen enough:', '', `  npm run demo -- --stop ${workspace.path}`]),
    '',
  ].join('\n');
}
