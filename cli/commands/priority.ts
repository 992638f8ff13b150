import { wholeNumber } from '../numbers.ts';
import { CliError } from '../output/cli-error.ts';

/** A priority that is an argument and no option, for which commander would name it. */
export function priorityOf(text: string): number {
  try {
    return wholeNumber(-1000, 1000)(text);
  } catch (error) {
    const { message } = error as Error;
    throw new CliError('wrong-use', `priority: ${message.replace(/^E/, 'e').replace(/\.$/, '')}`, { exitCode: 2 });
  }
}
