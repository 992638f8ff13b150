import { isValidName, parseBaseName } from '../../domain/store/store-path.ts';
import { notADrover } from '../http/not-drover.ts';
import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';

/*
 * Names that a coordinator says and that become paths here: of files that are read, of links that are made, of what is printed for others to
 * use. With anything else in them these would lie wherever the coordinator wants.
 */

/** @param what whose name it is, for the refusal. */
export function saidBaseName(said: unknown, what: string): string {
  const base = String(said);
  try {
    return parseBaseName(base).base;
  } catch {
    throw unexpected(`${what}: expected the base name of a store path, <hash>-<name>`, base);
  }
}

/** The name of an output: `dev`. */
export function saidOutputName(said: string, what: string): string {
  if (isValidName(said)) return said;
  throw unexpected(`${what}: expected the name of an output`, said);
}

function unexpected(expected: string, got: string): CliError {
  return new CliError('unexpected-answer', `${expected}, got ${printable(JSON.stringify(got.slice(0, 300)))}`, {
    hint: notADrover,
  });
}
