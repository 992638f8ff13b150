/** What met what in some farms: a command, the fault that struck last or lasts, and the state of what the command is about. */
export interface Coverage {
  readonly size: number;
  readonly commands: ReadonlySet<string>;
  add(triples: Iterable<string>): void;
  /** All triples that occurred. */
  triples(): readonly string[];
  /** Those of these states that the command never met, under whatever fault. */
  never(command: string, states: Iterable<string>): readonly string[];
  /** Commands, and faults of these that they never met, in whatever state. */
  unmet(faults: Iterable<string>): readonly string[];
}

export function createCoverage(): Coverage {
  const all = new Set<string>();
  const commands = new Set<string>();
  const met = new Set<string>();
  const seen = new Set<string>();
  return {
    get size() {
      return all.size;
    },
    commands,
    add(triples) {
      for (const triple of triples) {
        const [command, fault, state] = triple.split(' × ') as [string, string, string];
        all.add(triple);
        commands.add(command);
        met.add(`${command} × ${fault}`);
        seen.add(`${command} × ${state}`);
      }
    },
    triples: () => [...all].sort(),
    never: (command, states) => [...states].filter((state) => !seen.has(`${command} × ${state}`)),
    unmet(faults) {
      const wanted = [...faults];
      return [...commands].sort().flatMap((command) => {
        const lacking = wanted.filter((fault) => !met.has(`${command} × ${fault}`));
        return lacking.length === 0 ? [] : [`${command}: ${lacking.join(', ')}`];
      });
    },
  };
}
