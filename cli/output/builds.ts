import type { AttemptRow, BuildDetail, BuildRow } from '../../coordinator/ports/views.ts';
import { describeCancellation } from '../../projections/blocker-words.ts';
import { firstLine } from '../../projections/first-line.ts';
import { formatEarlier } from './earlier-builds.ts';
import { type Column, details, table } from './table.ts';
import { duration, printableLines, relativeTime, shortName, size } from './text.ts';
import type { View } from './view.ts';

export function formatBuilds(rows: readonly BuildRow[], view: View): string {
  const now = view.now();
  const columns: readonly Column<BuildRow>[] = [
    { title: 'BUILD', value: (row) => row.id },
    { title: 'STATE', value: (row) => row.standing ?? row.state, state: (row) => row.standing ?? row.state },
    { title: 'NAME', value: (row) => shortName(row.derivation) },
    { title: 'SYSTEM', value: (row) => row.system, minor: true },
    { title: 'PRIO', value: (row) => row.priority, minor: true },
    { title: 'ATTEMPT', value: (row) => row.attempt, minor: true },
    { title: 'AGENT', value: (row) => row.agent },
    { title: 'SUBMITTED', value: (row) => relativeTime(row.submittedAt, now), whole: true },
    { title: 'TOOK', value: (row) => took(row.startedAt, row.endedAt, now), whole: true, minor: true },
    { title: 'FAILURE', value: (row) => row.failure?.class },
    { title: 'SUBMISSION', value: (row) => row.submission, wide: true },
    { title: 'TAGS', value: (row) => tagsText(row.tags), wide: true },
    { title: 'DERIVATION', value: (row) => row.derivation, wide: true },
  ];
  return table(rows, columns, { ...view, empty: 'No builds.' });
}

export function formatBuild(build: BuildDetail, view: View): string {
  const now = view.now();
  const { options, failure } = build;
  const lines = failure?.message.includes('\n') ? message(failure.message) : undefined;
  const head = details([
    ['build', build.id],
    ['derivation', build.derivation],
    ['state', build.standing === undefined ? build.state : `${build.state}, ${standingWords(build)}`],
    ['canceled', build.canceled && describeCancellation(build.canceled).trim()],
    ['failure', failure === null ? undefined : lines ? failure.class : `${failure.class}: ${failure.message}`],
    ['system', build.system],
    ['submission', `${build.submission} (${build.reason})`],
    ['priority', build.priority],
    ['tags', tagsText(build.tags)],
    ['submitted', relativeTime(build.submittedAt, now)],
    ['started', build.startedAt === null ? undefined : relativeTime(build.startedAt, now)],
    [
      'ended',
      build.endedAt === null
        ? undefined
        : `${relativeTime(build.endedAt, now)}, took ${took(build.startedAt, build.endedAt, now) ?? '-'}`,
    ],
    ['max attempts', options.maxAttempts],
    ['timeout', options.timeoutSeconds === undefined ? undefined : duration(options.timeoutSeconds * 1000)],
    ['max silent', options.maxSilentSeconds === undefined ? undefined : duration(options.maxSilentSeconds * 1000)],
    [
      'deferred until',
      options.deferUntil === undefined || options.deferUntil <= now ? undefined : relativeTime(options.deferUntil, now),
    ],
    ...Object.entries(build.outputs).map(([name, path]) => [`output ${name}`, path] as const),
  ]);
  const columns: readonly Column<AttemptRow>[] = [
    { title: 'ATTEMPT', value: (row) => row.attempt },
    { title: 'OUTCOME', value: (row) => row.outcome, state: (row) => row.outcome },
    { title: 'AGENT', value: (row) => row.agent },
    { title: 'ALLOCATED', value: (row) => relativeTime(row.allocatedAt, now), whole: true },
    { title: 'TOOK', value: (row) => took(row.startedAt, row.endedAt, now), whole: true },
    { title: 'LOG', value: (row) => (row.logBytes === null ? undefined : size(row.logBytes)) },
    {
      title: 'FAILURE',
      value: (row) => (row.failure === null ? undefined : `${row.failure.class}: ${firstLine(row.failure.message)}`),
    },
  ];
  return `${head}${lines ?? ''}\n${table(build.attempts, columns, { ...view, empty: build.endedAt === null ? 'No attempts yet; "drover builds why" says what it waits for.' : 'No attempts.' })}${earlierMessages(build)}${formatEarlier(build.earlier ?? [], view)}`;
}

function standingWords({ id, standing }: BuildDetail): string {
  return standing === 'blocked' ? `blocked; drover builds why ${id} says by what` : (standing ?? '');
}

/** What failures of attempts said, where that is more than stands elsewhere. */
function earlierMessages({ attempts, failure }: BuildDetail): string {
  const told = new Set([failure?.message]);
  return attempts
    .flatMap(({ attempt, failure: failed }) => {
      if (failed === null || !failed.message.includes('\n') || told.has(failed.message)) return [];
      told.add(failed.message);
      return [`\nattempt ${attempt}:\n${message(failed.message)}`];
    })
    .join('');
}

/** All lines: what matters is seldom in the first. */
function message(text: string): string {
  return `  ${printableLines(text, 2)}\n`;
}

function tagsText(tags: BuildRow['tags']): string {
  return Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

function took(startedAt: number | null, endedAt: number | null, now: number): string | undefined {
  return startedAt === null ? undefined : duration(Math.max(0, (endedAt ?? now) - startedAt));
}
