import { readTree } from '../completion/tree.ts';
import type { AddCommand } from './all.ts';

/** The commands at the top as the help of the program names them, of which none is loaded: that is four fifths of the time of this help. */
export function namedCommands(): AddCommand[] {
  const top = [...readTree().values()].filter(({ words }) => words !== '' && !words.includes(' '));
  return top.map(({ words, usage, about, flags }) => (program) => {
    const command = program.command([words, usage].join(' ').trim()).summary(about);
    // Whether it has any beside `--help` is all that is told of them.
    for (const { names } of flags.slice(0, -1)) command.option(names.at(-1) as string);
  });
}
