/** What met what in some farms: a command, the fault that struck last or lasts, and the state of what the command is about. */
export interface Coverage {
  readonly size: number;
  readonly commands: ReadonlySet<string>;
  add(triples: Iterable<string>): void;
  /** All triples that occurred. */
  triples(): readonly string[];
  /** Commands, and faults of these that they never met, in whatever state. */
  unmet(faults: Iterable<string>): readonly string[];
}

export function createCoverage(): Coverage {
  const all = new Set<string>();
  const commands = new Set<string>();
  const met = new Set<string>();
  return {
    get size() {
      return all.size;
    },
    commands,
    add(triples) {
      for (const triple of triples) {
        const [command, fault] = triple.split(' × ') as [string, string];
        all.add(triple);
        commands.add(command);
        met.add(`${command} × ${fault}`);
      }
    },
    triples: () => [...all].sort(),
    unmet(faults) {
      const wanted = [...faults];
      return [...commands].sort().flatMap((command) => {
        const lacking = wanted.filter((fault) => !met.has(`${command} × ${fault}`));
        return lacking.length === 0 ? [] : [`${command}: ${lacking.join(', ')}`];
      });
    },
  };
}
