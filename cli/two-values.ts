import type { Command } from 'commander';
import { CliError } from './output/cli-error.ts';

/** Between name and value; no argument of a command line can have it. */
const between = '\0';

/**
 * Has a command take options of two values, as Nix has them (`--arg NAME EXPR`), which its library knows not: both are joined to one
 * before it sees them. Use with {@link gatherPairs}.
 */
export function joinPairs(command: Command, flags: readonly string[]): Command {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (args) => {
    const joined: string[] = [];
    for (let at = 0; at < args.length; at++) {
      const [arg = '', name, value] = args.slice(at, at + 3);
      if (arg === '--') return parse([...joined, ...args.slice(at)]);
      joined.push(arg);
      if (!flags.includes(arg) || name === undefined || value === undefined) continue;
      joined.push(name + between + value);
      at += 2;
    }
    return parse(joined);
  };
  return command;
}

/** Gathers options of two values, as they are passed on to Nix: `flag`, name, value, and so on. */
export function gatherPairs(flag: string): (text: string, before?: readonly string[]) => readonly string[] {
  return (text, before = []) => {
    const [name, value] = text.split(between);
    if (name === undefined || value === undefined || !/^[a-zA-Z_]/.test(name))
      throw new CliError(
        'wrong-use',
        `expected a name and a value after ${flag}, got ${JSON.stringify(text.split(between).join(' '))}`,
        { exitCode: 2 },
      );
    return [...before, flag, name, value];
  };
}
