import { createRandom, type Random } from '../simulation/random.ts';

export type Engine = 'sqlite' | 'nats';
/** `coordinator`, `nats-server`, or the name of an agent. */
export type Victim = string;

export interface Fault {
  readonly victim: Victim;
  readonly how:
    | {
        readonly signal: 'SIGKILL' /** Milliseconds into its next start, at which it is killed once more. */;
        readonly again?: number;
      }
    /** Stands still for so many milliseconds. */
    | { readonly signal: 'SIGSTOP'; readonly ms: number };
}

export interface Round {
  /** Comes after so many further events of the log, and some milliseconds, that fall anywhere in what follows from them. */
  readonly moment: { readonly events: number; readonly ms: number };
  /** All at once. */
  readonly faults: readonly Fault[];
  /** How long an agent that is away keeps its builds, in seconds, for the coordinators that start in this round. */
  readonly lease: number;
  /** How many ended builds those coordinators remember. */
  readonly remembered: number;
}

/** Leases that are over before whoever is away is back, and such that never are. */
export const leases = { short: 1, long: 60 };

/** What is done to a farm, round by round. The same seed gives the same. */
export function planOf(seed: number, rounds: number, engine: Engine, agents: readonly string[]): readonly Round[] {
  const random = createRandom(seed).fork(`rounds on ${engine}`);
  const remembered = random.fork('remembered');
  return Array.from({ length: rounds }, () => ({
    ...roundOf(random, engine, agents),
    remembered: remembered.pick([1, 2, 5, 50]) as number,
  }));
}

function roundOf(random: Random, engine: Engine, agents: readonly string[]): Omit<Round, 'remembered'> {
  const victims = new Set<Victim>();
  const wanted = random.chance(0.25) ? 2 : 1;
  while (victims.size < wanted) {
    const kind = random.weighted({ coordinator: 4, agent: 4, 'nats-server': engine === 'nats' ? 4 : 0 });
    victims.add(kind === 'agent' ? (random.pick(agents) as string) : kind);
  }
  return {
    // Now and then at once: into the recovery from the round before.
    moment: { events: random.chance(0.2) ? 0 : random.between(1, 20), ms: random.between(0, 40) },
    faults: [...victims].map((victim) => ({ victim, how: howOf(random) })),
    lease: random.chance(0.5) ? leases.short : leases.long,
  };
}

function howOf(random: Random): Fault['how'] {
  if (random.chance(0.15)) return { signal: 'SIGSTOP', ms: random.between(100, 6000) };
  return random.chance(0.3) ? { signal: 'SIGKILL', again: random.between(0, 600) } : { signal: 'SIGKILL' };
}

/** `agent-a killed, killed again 120 ms into its start; nats-server stopped for 300 ms`. */
export function describeRound({ moment, faults, lease, remembered }: Round): string {
  const each = faults.map(({ victim, how }) => {
    if (how.signal === 'SIGSTOP') return `${victim} stopped for ${how.ms} ms`;
    return how.again === undefined ? `${victim} killed` : `${victim} killed, and again ${how.again} ms into its start`;
  });
  return `after ${moment.events} events and ${moment.ms} ms: ${each.join('; ')} (lease ${lease} s, ${remembered} builds remembered)`;
}
