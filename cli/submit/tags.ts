import { type Tags, tags as tagsSchema } from '../../domain/event.ts';
import { CliError } from '../output/cli-error.ts';

/** Reads `key=value` options; a key alone has an empty value. Throws where a key is none, or is there with two values: one of both would be lost. */
export function readTags(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((text): [string, string] => {
    const at = text.indexOf('=');
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  });
  const first = new Map<string, string>();
  for (const [key, value] of pairs) {
    const before = first.get(key);
    if (before !== undefined && before !== value)
      throw new CliError('wrong-use', `--tag: expected each key once, got ${key}=${before} and ${key}=${value}`, {
        exitCode: 2,
      });
    first.set(key, value);
  }
  const parsed = tagsSchema.safeParse(Object.fromEntries(first));
  // A schema of a record leaves out __proto__ without a word.
  if (parsed.success && Object.keys(parsed.data).length === first.size) return parsed.data;
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
