import type { Blocker, LastFailure, WaitedInput, Why } from '../../coordinator/application.ts';
import { remedy } from './blockage.ts';
import { details, table } from './table.ts';
import { plural, printable, printableLines, relativeTime, shortName } from './text.ts';
import type { View } from './view.ts';

/** A build's reason for not running, for people. */
export function formatWhy(why: Why, view: View): string {
  const end = endOf(why);
  return `${printable(why.summary)}\n${specifics(why, view)}${end === undefined ? '' : `\nThe wait ends ${end}\n`}`;
}

/** How the wait ends: by itself, or by what a person does. `why.until` has the events, for programs. */
function endOf(why: Why): string | undefined {
  switch (why.reason) {
    case 'ended':
      return undefined;
    case 'running':
      return why.wait === undefined
        ? 'by itself, when the attempt does.'
        : 'by itself, once the coordinator can be reached and has room.';
    case 'back-off':
      return 'by itself, at that time.';
    case 'inputs':
      return why.blockers.length === 0
        ? 'by itself, once these inputs are built.'
        : `once these are done:\n${why.blockers.map((blocker) => `  ${printable(remedy(blocker))}\n`).join('')}`.trimEnd();
    case 'text-lost':
      return `once this is done:\n  drover submit ${printable(why.derivation)}`;
    case 'no-agent':
      return "once an agent that fits takes builds: see to an obstacle above, or add one with 'drover agents add NAME'.";
    case 'no-slot':
      return `by itself, once a slot is free; 'drover builds prioritize ${printable(why.build)} N' brings it forward.`;
  }
}

function specifics(why: Why, view: View): string {
  const now = view.now();
  switch (why.reason) {
    case 'ended':
      return why.failure ? failureDetails(why.failure) : '';
    case 'running':
      return details([
        ['agent', why.agent],
        ['attempt', why.attempt],
        ['lease ends', why.leaseUntil === undefined ? undefined : relativeTime(why.leaseUntil, now)],
      ]);
    case 'back-off':
      return `${why.failure ? failureDetails(why.failure) : ''}${details([['not before', relativeTime(why.notBefore, now)]])}`;
    case 'inputs': {
      const rest = why.total - why.inputs.length;
      const more = rest > 0 ? `… and ${plural(rest, 'more input')}\n` : '';
      return `\n${inputTable(why.inputs, view)}${more}${blockerTable(why.blockers ?? [], view)}`;
    }
    case 'text-lost':
      return details([['derivation', why.derivation]]);
    case 'no-agent': {
      const wanted = details([
        ['system', why.system],
        ['features', why.features.join(' ')],
      ]);
      const columns = [
        { title: 'AGENT', value: (row: { name: string }) => row.name },
        { title: 'OBSTACLE', value: (row: { obstacle: string }) => row.obstacle },
      ];
      return `${wanted}\n${table(why.agents, columns, { ...view, empty: 'There are no agents: drover agents add' })}`;
    }
    case 'no-slot':
      return details([
        ['busy agents', why.agents.join(' ')],
        ['ahead in the queue', why.ahead],
      ]);
  }
}

/** All lines of the message: what matters is seldom in the first. */
function failureDetails({ attempt, agent, class: failure, message }: LastFailure): string {
  const facts = details([
    ['attempt', attempt],
    ['agent', agent],
    ['failure', failure],
  ]);
  return message === '' ? facts : `${facts}  ${printableLines(message, 2)}\n`;
}

const wordsOf: Readonly<Record<WaitedInput['state'], string>> = {
  'source-missing': 'source that nobody has sent',
  'source-lost': 'source that is lost',
  building: 'being built',
  queued: 'queued',
  'text-lost': 'the text of its derivation is lost',
  failed: 'its build failed',
  canceled: 'its build was cancelled',
  'no-build': 'nobody asked for a build',
  'reference-missing': 'there, but what it refers to is not',
};

/** What a person has to see to before the build can run; nothing where that is nobody's turn. */
function blockerTable(blockers: readonly Blocker[], view: View): string {
  if (blockers.length === 0) return '';
  const columns = [
    { title: 'BLOCKED BY', value: (row: Blocker) => shortName(row.item) },
    { title: 'STATE', value: (row: Blocker) => wordsOf[row.state], state: (row: Blocker) => row.state },
    { title: 'BUILD', value: (row: Blocker) => row.build, whole: true as const },
    { title: 'ITEM', value: (row: Blocker) => row.item },
  ];
  return `\n${table(blockers, columns, { ...view, empty: '' })}`;
}

function inputTable(inputs: readonly WaitedInput[], view: View): string {
  return table(
    inputs,
    [
      { title: 'INPUT', value: (row) => shortName(row.item) },
      {
        title: 'STATE',
        value: (row) => wordsOf[row.state] ?? row.state,
        state: (row) => (row.state === 'building' ? 'running' : row.state),
      },
      { title: 'BUILD', value: (row) => row.build, whole: true },
      { title: 'ITEM', value: (row) => row.missing?.join(' ') ?? row.item },
    ],
    { ...view, empty: 'No inputs.' },
  );
}
