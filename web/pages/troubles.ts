import type { Operations } from 'drover/client';
import { capital, count, counted } from '../words/format.ts';
import { agentLink, hookLink } from '../words/links.ts';

type Status = Operations['getStatus']['answer'];
type Agent = Operations['listAgents']['answer']['rows'][number];
type Hook = Operations['listHooks']['answer']['rows'][number];

export interface Trouble {
  readonly text: string;
  /** Where more of it is. */
  readonly href?: string;
  /** Whose action it waits for, and which. */
  readonly todo?: string;
}

export interface TroubleSources {
  readonly status: Status;
  readonly agents: readonly Agent[];
  readonly hooks: readonly Hook[];
  /** Why the coordinator takes no writes. */
  readonly readiness: string | undefined;
  readonly warnings: readonly string[];
}

/** What does not go on without somebody, the worst first: the answer to whether all is well. */
export function troublesOf({ status, agents, hooks, readiness, warnings }: TroubleSources): readonly Trouble[] {
  const found: Trouble[] = [];
  if (readiness !== undefined) found.push({ text: `The coordinator takes no writes: ${readiness}` });
  const causeCount = Object.values(status.blocked).reduce((sum, builds) => sum + builds, 0);
  // What is blocked by several things is counted for each.
  const ofAll = causeCount > status.builds.blocked ? ` of ${count(status.builds.blocked)}` : '';
  for (const [cause, builds] of Object.entries(status.blocked))
    if (builds > 0) {
      const { text, todo } = causes[cause as keyof Status['blocked']](builds === 1);
      const sooner = cause === 'no-agent' ? backToWork(agents, status.unattended) : [];
      const which =
        ofAll === ''
          ? `${capital(counted(builds, 'build'))} ${builds === 1 ? 'is' : 'are'} blocked`
          : `${count(builds)}${ofAll} blocked builds`;
      found.push({
        text: `${which}: ${text}`,
        href: '/builds?state=blocked',
        todo: capital([...sooner, todo].join('; or ')),
      });
    }
  for (const { name, intake, reason, refused } of agents) {
    const href = agentLink(name);
    const why = reason === undefined ? '' : `: ${reason}`;
    if (refused !== undefined) found.push({ text: `Agent ${name} is refused: ${refused.message}`, href });
    else if (intake === 'quarantined')
      found.push({
        text: `Agent ${name} is in quarantine${why}`,
        href,
        todo: 'Look at what failed there, then resume it.',
      });
    else if (intake === 'unfit')
      found.push({ text: `Agent ${name} cannot build${why}`, href, todo: 'Its machine needs somebody.' });
  }
  if (status.agents.away > 0)
    found.push({
      text: `${capital(counted(status.agents.away, 'build'))} ${status.agents.away === 1 ? 'is' : 'are'} at agents that are away`,
      href: '/agents',
      todo: 'Start them again, or remove them.',
    });
  for (const { name, state, waits, parked } of hooks) {
    const href = hookLink(name);
    if (state === 'broken')
      found.push({ text: `Hook ${name} is broken${waits === undefined ? '' : `: ${waits}`}`, href });
    if (parked.length > 0)
      found.push({
        text: `Hook ${name} has given up on ${counted(parked.length, 'event')}`,
        href,
        todo: 'Mend what it calls, then retry what is parked.',
      });
  }
  const { waiting } = status.uploads;
  if (waiting > 0)
    found.push({
      text: `${capital(counted(waiting, 'upload'))} ${waiting === 1 ? 'finds' : 'find'} no room in the pool`,
      href: '/items',
      todo: 'Make room: collect what nobody needs.',
    });
  if ((status.verification?.wrong ?? 0) > 0)
    found.push({
      text: `The verification of the pool has found ${counted(status.verification?.wrong ?? 0, 'item')} wrong`,
      href: '/items',
    });
  for (const text of warnings) found.push({ text });
  return found;
}

/** What would have those agents take builds again that are there, and may be of a kind that nobody takes: of a system that lacks one, or not known yet. */
function backToWork(agents: readonly Agent[], unattended: Status['unattended']): readonly string[] {
  const idle = agents.filter(
    ({ state, abilities }) =>
      state !== 'retired' && (abilities?.systems.some((system) => (unattended[system] ?? 0) > 0) ?? true),
  );
  const named = (which: (agent: Agent) => boolean): string => {
    const names = idle.filter(which).map(({ name }) => name);
    const rest = names.length - mostNamed;
    return `${names.slice(0, mostNamed).join(', ')}${rest > 0 ? ` and ${counted(rest, 'other')}` : ''}`;
  };
  const held = named(({ operator }) => operator.said !== 'active');
  const away = named(({ operator, intake }) => operator.said === 'active' && intake === 'offline');
  return [
    ...(held === '' ? [] : [`resume ${held}, which an operator has paused or drained`]),
    ...(away === '' ? [] : [`start ${away}, which is not connected`]),
  ];
}

const mostNamed = 3;

/** @param one whether it is of one build; what to do, as it goes on in a sentence */
const causes: Readonly<
  Record<keyof Status['blocked'], (one: boolean) => { readonly text: string; readonly todo: string }>
> = {
  failed: (one) => ({ text: `something that ${theyNeed(one)} has failed`, todo: 'mend what failed, or retry it.' }),
  canceled: (one) => ({ text: `something that ${theyNeed(one)} was cancelled`, todo: 'retry that.' }),
  'no-build': (one) => ({ text: `nobody asked for something that ${theyNeed(one)}`, todo: 'submit it.' }),
  'source-missing': (one) => ({ text: 'a source was never sent', todo: submitAgain(one) }),
  'source-lost': (one) => ({ text: 'a source was deleted or lost', todo: submitAgain(one) }),
  'text-lost': () => ({ text: 'the text of a derivation is lost', todo: 'submit it again.' }),
  'no-agent': (one) => ({
    text: `no agent takes ${one ? 'its' : 'their'} kind`,
    todo: `start an agent of the system, and with the features, that ${theyNeed(one)}.`,
  }),
};

const theyNeed = (one: boolean): string => (one ? 'it needs' : 'they need');
const submitAgain = (one: boolean): string => `submit ${one ? 'it' : 'them'} again from where the source is.`;
