import type { AgentStatus, Blockage, FarmStatus } from '../../coordinator/application.ts';
import { CliError } from './cli-error.ts';

/*
 * Clients are newer than their coordinator for a while where they are upgraded first. What an older one does not say is filled in here,
 * as far as it follows from what it says, so that whoever prints it need not ask for each field whether it is there.
 */

/** A refusal of a value that this command line knows, in the words of its flag: the coordinator does not know it yet. */
export function orOlder(error: unknown, field: string, flag: string): unknown {
  if (!(error instanceof CliError) || !error.message.startsWith(field)) return error;
  const message = error.message.replace(/^[^:]+/, flag);
  return new CliError(error.code, message, { hint: olderHint, exitCode: error.exitCode, cause: error });
}

/** What to say where a coordinator lacks what this version of the command line asks it for. */
export const olderHint =
  "the coordinator may be of an older version than this command line: 'drover doctor client' says which it has";

/** An agent as it is shown: since when the link is so is not known of all. */
export interface ShownAgent extends Omit<AgentStatus, 'link'> {
  readonly link: Omit<AgentStatus['link'], 'since'> & { readonly since?: number };
  /** In the coordinator's words, where it is one that has nothing but these. */
  readonly told?: string;
}

export function wholeAgent(said: AgentStatus): ShownAgent {
  const { operator, link, recent } = said as Partial<AgentStatus>;
  return {
    ...said,
    operator: operator ?? { said: said.intake === 'paused' || said.intake === 'draining' ? said.intake : 'active' },
    link: link ?? { state: said.state },
    recent: recent ?? { attempts: 0, failed: 0 },
    ...(link === undefined && said.reason !== undefined && { told: said.reason }),
  };
}

export function wholeFigures<Figures extends Pick<FarmStatus, 'builds' | 'blocked' | 'agents'>>(
  said: Figures,
): Figures {
  return {
    ...said,
    builds: { ...said.builds, blocked: said.builds.blocked ?? 0, deferred: said.builds.deferred ?? 0 },
    blocked: said.blocked ?? {},
    agents: { ...said.agents, excess: said.agents.excess ?? 0, away: said.agents.away ?? 0 },
  };
}

export function wholeBlockage<Said extends Blockage>(said: Said): Said {
  return {
    ...said,
    agentless: said.agentless ?? 0,
    total: said.total ?? said.blockers.length,
    blockers: said.blockers.map((blocker) => ({ ...blocker, remedy: blocker.remedy ?? remedyFor(blocker) })),
  };
}

/** The command that helps: of what has ended its retry; of all else that which tells more. */
function remedyFor({ state, build }: Blockage['blockers'][number]): string {
  if (build === undefined) return '';
  return `drover builds ${state === 'failed' || state === 'canceled' ? 'retry' : 'why'} ${build}`;
}
