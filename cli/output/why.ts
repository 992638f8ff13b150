import type { Blocker, LastFailure, WaitedInput, Why } from '../../coordinator/application.ts';
import { addAgent, wordsFor } from './blockage.ts';
import { details, table } from './table.ts';
import { plural, printable, printableLines, relativeTime, shortName } from './text.ts';
import type { View } from './view.ts';

/** A build's reason for not running, for people. */
export function formatWhy(why: Why, view: View): string {
  const end = endOf(why);
  const again =
    why.reason === 'ended' && why.remedy !== undefined ? `\n${printable(why.remedy)} builds it again\n` : '';
  return `${printable(why.summary)}\n${specifics(why, view)}${end === undefined ? again : `\nThe wait ends ${end}\n`}`;
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
    case 'deferred':
      return `by itself, at that time; 'drover builds defer ${printable(why.build)} --until now' ends it at once.`;
    case 'inputs':
      return why.blockers.length === 0 ? 'by itself, once these inputs are built.' : onceDone(why.blockers);
    case 'text-lost':
      return onceDone(why.blockers);
    case 'no-agent':
      return why.blockers.length === 0
        ? 'by itself, once an agent above takes builds again.'
        : `${onceDone(why.blockers)}\n${otherwise(why)}`;
    case 'no-slot':
      return `by itself, once a slot is free; 'drover builds prioritize ${printable(why.build)} N' brings it forward.`;
  }
}

/** What else would do. An agent that is added takes nothing before it runs. */
function otherwise({ agents, blockers }: Extract<Why, { reason: 'no-agent' }>): string {
  if (blockers.every(({ remedy }) => remedy === addAgent)) return 'and that agent fits, and is started with its token.';
  const another = agents.length > 1 ? 'another obstacle above is gone, or ' : '';
  return `Or once ${another}an agent that fits is added and started: ${addAgent}`;
}

function onceDone(blockers: readonly Blocker[]): string {
  const remedies = [...new Set(blockers.map(({ remedy }) => remedy))];
  return `once ${remedies.length === 1 ? 'this is' : 'these are'} done:\n${remedies.map((remedy) => `  ${printable(remedy)}\n`).join('')}`.trimEnd();
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
    case 'deferred':
      return details([['not before', relativeTime(why.notBefore, now)]]);
    case 'inputs': {
      const rest = why.total - why.inputs.length;
      const more = rest > 0 ? `… and ${plural(rest, 'more input')}\n` : '';
      return `${blockerTable(why, view)}\n${inputTable(why.inputs, view)}${more}`;
    }
    case 'text-lost':
      return details([['derivation', why.derivation]]);
    case 'no-agent': {
      const wanted = details([
        ['system', why.system],
        ['features', why.features.join(' ')],
        ['store directory', why.storeDir],
      ]);
      const columns = [
        { title: 'AGENT', value: (row: { name: string }) => row.name },
        { title: 'OBSTACLE', value: (row: { obstacle: string }) => row.obstacle },
      ];
      return `${wanted}\n${table(why.agents, columns, { ...view, empty: 'There are no agents.' })}`;
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
  blocked: 'queued, and blocked itself',
  'text-lost': 'the text of its derivation is lost',
  failed: 'its build failed',
  canceled: 'its build was cancelled',
  'no-build': 'nobody asked for a build',
  'reference-missing': 'there, but what it refers to is not',
};

/** What a person has to see to before the build can run; nothing where that is nobody's turn. */
function blockerTable(
  { blockers, blockerTotal = blockers.length, more }: Extract<Why, { reason: 'inputs' }>,
  view: View,
): string {
  if (blockers.length === 0) return '';
  const columns = [
    { title: 'BLOCKED BY', value: (row: Blocker) => shortName(row.item) },
    { title: 'STATE', value: (row: Blocker) => row.state, state: (row: Blocker) => row.state },
    { title: 'BLOCKS', value: ({ blocks, more }: Blocker) => (more ? `${blocks}+` : blocks) },
    { title: 'BUILD', value: (row: Blocker) => row.build, whole: true as const },
    { title: 'WHAT HAPPENED', value: wordsFor },
  ];
  const rest = blockerTotal - blockers.length;
  const others = rest > 0 ? `… and ${plural(rest, 'more thing')}${more ? ' at least' : ''} that block it\n` : '';
  return `\n${table(blockers, columns, { ...view, empty: '' })}${others}${messagesOf(blockers)}`;
}

/** Failures whose messages are longer than what stands in the table, all lines of them. */
function messagesOf(blockers: readonly Blocker[]): string {
  return blockers
    .filter(({ failure }) => failure?.message.trim().includes('\n'))
    .slice(0, mostMessages)
    .map(({ build, failure }) => `\n${printable(build ?? '')}: ${printableLines(failure?.message ?? '', 2)}\n`)
    .join('');
}

const mostMessages = 3;

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
