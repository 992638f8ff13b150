import type { UpstreamProbe, UpstreamStatus } from '../../coordinator/application.ts';
import { details, table } from './table.ts';
import { printable } from './text.ts';
import type { View } from './view.ts';

export function formatUpstreams(rows: readonly UpstreamStatus[], view: View): string {
  return table(
    rows,
    [
      { title: 'UPSTREAM', value: (row) => row.name },
      { title: 'PRIORITY', value: (row) => row.priority, minor: true },
      { title: 'STATE', value: stateOf, state: (row) => (row.state === 'usable' ? 'succeeded' : 'paused') },
      { title: 'ITEMS', value: (row) => row.items },
      { title: 'FOUND', value: (row) => row.asked.found, minor: true },
      { title: 'ABSENT', value: (row) => row.asked.absent, wide: true },
      { title: 'REJECTED', value: (row) => row.asked.rejected, wide: true },
      { title: 'FAILED', value: (row) => row.asked.failed, wide: true },
      { title: 'MODE', value: (row) => row.mode, wide: true },
      { title: 'URL', value: (row) => row.url },
    ],
    { ...view, empty: 'No upstreams: nothing is asked of other caches, and all that is lacking is built.' },
  );
}

function stateOf({ state, restsSeconds, error }: UpstreamStatus): string {
  if (state === 'resting') return `resting, ${restsSeconds} s`;
  return error === undefined ? 'usable' : 'usable, failing';
}

export function formatUpstream(upstream: UpstreamStatus): string {
  const { name, url, priority, mode, publicKeys, items, asked, error, rejection, ttlSeconds, negativeTtlSeconds } =
    upstream;
  return details([
    ['upstream', name],
    ['url', url],
    ['priority', priority],
    [
      'agents get it',
      mode === 'direct' ? 'from there, and from the coordinator where that fails' : 'from the coordinator',
    ],
    ['public keys', publicKeys.join(' ')],
    ['state', stateOf(upstream)],
    ['last failure', error],
    ['items that only it has', items],
    [
      'asked since the start',
      `${asked.found} found, ${asked.absent} absent, ${asked.rejected} not believed, ${asked.failed} without an answer`,
    ],
    ['not believed', rejection],
    ['believed for', `${ttlSeconds} s; ${negativeTtlSeconds} s that it has not what it has not`],
  ]);
}

export function formatProbe({ name, url, ok, problem, milliseconds, items }: UpstreamProbe): string {
  const lines = [
    ok
      ? `ok    ${name} (${printable(url)}) answers, in ${milliseconds} ms`
      : `bad   ${name} (${printable(url)}): ${printable(problem ?? 'no answer')}`,
  ];
  for (const { path, answer, narSize, problem: why } of items) {
    const more = answer === 'found' ? `NAR of ${narSize} bytes` : (why ?? '');
    lines.push(`${answer.padEnd(8)}${printable(path)}${more === '' ? '' : `: ${printable(more)}`}`);
  }
  return `${lines.join('\n')}\n`;
}
