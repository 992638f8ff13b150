import { identifier } from '../../domain/event.ts';
import { CliError } from '../output/cli-error.ts';

/** Refuses what is no name of a root, as the coordinator would after all was evaluated and sent. */
export function checkRootName(name: string): void {
  const { error } = identifier.safeParse(name);
  if (error)
    throw new CliError('wrong-use', `--root: ${error.issues[0]?.message}, got ${JSON.stringify(name)}`, {
      exitCode: 2,
    });
}
