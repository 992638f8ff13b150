import { type Tags, tags as tagsSchema } from '../../domain/event.ts';
import { CliError } from '../output/cli-error.ts';

/** Reads `key=value` options; a key alone has an empty value. */
export function readTags(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((text): [string, string] => {
    const at = text.indexOf('=');
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  });
  const parsed = tagsSchema.safeParse(Object.fromEntries(pairs));
  if (parsed.success) return parsed.data;
  throw new CliError(
    'wrong-use',
    `expected --tag key=value with a key of [0-9a-zA-Z._/-] and at most 256 characters of value, got ${texts.join(' ')}`,
    {
      exitCode: 2,
    },
  );
}

/** That no key of `--tag` is one under which lines of nix-eval-jobs tag their builds: one of both would be lost. */
export function requireOtherKeys(given: Tags, ofLines: Iterable<Tags>): void {
  for (const tags of ofLines) {
    const key = Object.keys(tags).find((one) => Object.hasOwn(given, one));
    if (key === undefined) continue;
    throw new CliError(
      'wrong-use',
      `--tag: expected another key than ${key}, under which each build keeps its attribute of nix-eval-jobs, got ${key}=${given[key]}`,
      { hint: 'nothing was submitted', exitCode: 2 },
    );
  }
}
