import { describePlace } from '../../coordinator/agents/agent-place.ts';
import type { AgentStatus } from '../../coordinator/application.ts';
import { firstLine } from '../../projections/first-line.ts';
import { type ShownAgent, wholeAgent } from './older.ts';
import { details, table } from './table.ts';
import { printable, printableLines, relativeTime, shortName, size } from './text.ts';
import type { View } from './view.ts';

export function formatAgents(agents: readonly AgentStatus[], view: View): string {
  const now = view.now();
  return table(
    agents.map(wholeAgent),
    [
      { title: 'AGENT', value: (row) => row.name },
      { title: 'STATE', value: (row) => row.link.state, state: (row) => row.state },
      { title: 'INTAKE', value: intake, state: (row) => row.intake },
      { title: 'SLOTS', value: slots },
      {
        title: 'FAILED',
        value: ({ recent: { failed, attempts } }) => (attempts === 0 ? '-' : `${failed} of ${attempts}`),
      },
      { title: 'SYSTEMS', value: (row) => row.abilities?.systems.join(',') },
      { title: 'FEATURES', value: (row) => row.abilities?.features.join(','), minor: true },
      { title: 'HEARTBEAT', value: (row) => relativeTime(row.heartbeat?.at, now), whole: true },
      { title: 'REASON', value: (row) => remarks(row, now).join('; ') },
      { title: 'VERSION', value: (row) => row.version, wide: true },
      { title: 'BUILDER', value: (row) => row.builder, wide: true },
    ],
    { ...view, empty: 'No agents yet; "drover agents add NAME" adds one.' },
  );
}

export function formatAgent(said: AgentStatus, view: View): string {
  const now = view.now();
  const agent = wholeAgent(said);
  const { abilities, heartbeat } = agent;
  const head = details([
    ['agent', agent.name],
    ['operator', operator(agent, now) ?? 'active'],
    ['link', link(agent, now)],
    ['runs on', agent.link.place && describePlace(agent.link.place)],
    ['intake', intake(agent)],
    ['reason', agent.told],
    ['refused', agent.refused && refused(agent.refused, now)],
    ['quarantine', agent.quarantine && quarantine(agent, now)],
    ['limited', agent.limited && `since ${relativeTime(agent.limited.since, now)}: ${agent.limited.reason}`],
    ['unfit', agent.unfit && `since ${relativeTime(agent.unfit.since, now)}: ${agent.unfit.reason}`],
    ['last attempts', attempts(agent)],
    ['last failure', failure(agent, now)],
    ['version', agent.version],
    ['builder', agent.builder],
    ['systems', abilities?.systems.join(' ')],
    ['features', abilities?.features.join(' ')],
    ['store directory', abilities?.storeDir],
    ['mandatory features', abilities?.mandatoryFeatures.join(' ')],
    ['slots', abilities === undefined ? undefined : `${slots(agent).replace('/', ' of ')} in use`],
    ['heartbeat', heartbeat === undefined ? undefined : relativeTime(heartbeat.at, now)],
    ['load', heartbeat?.load1],
    ['free disk', heartbeat?.freeBytes === undefined ? undefined : size(heartbeat.freeBytes)],
  ]);
  const builds = table(
    agent.running,
    [
      { title: 'BUILD', value: (row) => row.build },
      // An older coordinator does not say it.
      { title: 'NAME', value: (row) => row.derivation && shortName(row.derivation) },
      { title: 'ATTEMPT', value: (row) => row.attempt },
    ],
    { ...view, empty: 'It runs nothing.' },
  );
  const { lastFailure } = agent.recent;
  const whole = lastFailure?.message.trim().includes('\n')
    ? `\n${printable(lastFailure.build)}: ${printableLines(lastFailure.message.trim(), 2)}\n`
    : '';
  return `${head}${whole}\n${builds}`;
}

/** `6/6`, and `6/6 +2` where two more wait there for a slot, as after a start with fewer. */
function slots({ running, abilities }: ShownAgent): string {
  if (abilities === undefined) return `${running.length}/-`;
  const busy = Math.min(running.length, abilities.slots);
  return `${busy}/${abilities.slots}${running.length > busy ? ` +${running.length - busy}` : ''}`;
}

function intake({ intake, operator }: ShownAgent): string {
  return intake === 'draining' && operator.said === 'drained' ? 'drained' : intake;
}

/** Attempts that have to have failed, all of them, before it is said of an agent that nothing goes well there. */
const tellingFailures = 5;

/** What keeps the agent from building well, each thing by itself. */
function remarks(agent: ShownAgent, now: number): string[] {
  if (agent.told !== undefined) return [agent.told];
  const { recent } = agent;
  const all = recent.failed === recent.attempts && recent.attempts >= tellingFailures;
  const told = [
    agent.refused && `refused: ${refused(agent.refused, now)}`,
    operator(agent, now),
    agent.link.state === 'connected' && !agent.link.leaving ? undefined : link(agent, now),
    agent.quarantine && `quarantined ${quarantine(agent, now)}`,
    agent.unfit && `unfit: ${agent.unfit.reason}`,
    agent.limited && `takes nothing for now: ${agent.limited.reason}`,
    all ? `its last ${recent.attempts} attempts all failed: ${failure(agent, now)}` : undefined,
  ];
  return told.filter((one) => one !== undefined);
}

/** `paused 3m ago by t-1: new disk`; `undefined` where it is active. */
function operator({ operator: { said, since, by, byName = by, reason } }: ShownAgent, now: number): string | undefined {
  if (said === 'active') return undefined;
  return `${said}${ago(since, now)}${byName === undefined ? '' : ` by ${byName}`}${because(reason)}`;
}

function link({ link: { state, since, reason, leaving }, until }: ShownAgent, now: number): string {
  if (state === 'new') return 'never connected';
  const word = leaving ? 'leaving, connected' : state;
  const lease = state === 'disconnected' && until !== undefined ? `, its lease ends ${relativeTime(until, now)}` : '';
  return `${word}${ago(since, now)}${lease}${because(reason)}`;
}

function quarantine({ quarantine, until }: ShownAgent, now: number): string {
  const end = until === undefined ? '' : `, until ${relativeTime(until, now)}`;
  return `${relativeTime(quarantine?.since, now)}${end}${because(quarantine?.reason)}`;
}

function refused({ message, at, place }: NonNullable<AgentStatus['refused']>, now: number): string {
  const who = place === undefined ? '' : `${describePlace(place)}, `;
  return `${who}${at === undefined ? '' : `${relativeTime(at, now)}: `}${message}`;
}

function attempts({ recent: { attempts, failed } }: ShownAgent): string | undefined {
  return attempts === 0 ? undefined : `${failed} of ${attempts} failed`;
}

function failure({ recent: { lastFailure } }: ShownAgent, now: number): string | undefined {
  if (lastFailure === undefined) return undefined;
  const { build, attempt, class: failure, message, at } = lastFailure;
  return `${relativeTime(at, now)}, attempt ${attempt} of ${build}: ${failure}: ${firstLine(message.trim())}`;
}

const ago = (at: number | undefined, now: number): string => (at === undefined ? '' : ` ${relativeTime(at, now)}`);
const because = (reason: string | undefined): string => (reason === undefined || reason === '' ? '' : `: ${reason}`);
