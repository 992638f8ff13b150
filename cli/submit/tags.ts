import { tags as tagsSchema } from '../../domain/event.ts';
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
