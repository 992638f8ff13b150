import type { FoundId, IdKind } from '../../coordinator/ports/views.ts';
import { CliError } from '../output/cli-error.ts';
import { printable, shortName } from '../output/text.ts';
import type { Client } from './client.ts';
import { storeName } from './store-name.ts';

/** What commands are given by the beginning of its id. */
export type TypedKind = Exclude<IdKind, 'derivations'>;

/** What needs no look: an id as the coordinator makes it. */
const whole: Readonly<Record<TypedKind, RegExp>> = {
  builds: /^[0-9a-z]{16}-\d+$/,
  submissions: /^[0-9a-z]{16}$/,
  items: /^[0-9a-z]{32}-/,
};
/** As many as a person looks at. */
const mostCandidates = 20;

/**
 * The id that begins so, where there is one; several are a refusal that names them. A text that none begins with stays as it is: the
 * coordinator has the words for what it does not know.
 */
export async function resolveId(client: Client, kind: TypedKind, text: string): Promise<string> {
  return resolveIdBy(kind, kind === 'items' ? await storeName(client, text) : text, async (prefix) => {
    const found = await client
      .get<{ rows: readonly FoundId[] }>('/v1/ids', { kind, prefix, limit: mostCandidates + 1 })
      // An older coordinator has no such route.
      .catch((error: unknown) => {
        if (error instanceof CliError && error.code === 'not-found') return { rows: [] };
        throw error;
      });
    return found.rows;
  });
}

/** The same, of the ids that `find` has. */
export async function resolveIdBy(
  kind: TypedKind,
  text: string,
  find: (prefix: string) => Promise<readonly FoundId[]>,
): Promise<string> {
  const prefix = kind === 'items' ? text.replace(/^.*\//, '') : text;
  if (whole[kind].test(prefix) || !/^[\x21-\x7e]{1,256}$/.test(prefix)) return prefix;
  return oneOf(prefix, await find(prefix), kind);
}

/** The id of the one row whose id begins so; the text itself where there is none. */
export function oneOf(prefix: string, rows: readonly FoundId[], what: string): string {
  const found = rows.filter(({ id }) => id.startsWith(prefix));
  const [first, second] = found;
  if (found.some(({ id }) => id === prefix) || first === undefined) return prefix;
  if (second === undefined) return first.id;
  const candidates = found.slice(0, mostCandidates).map(({ id, name }) => {
    const more = name === null || name === id ? '' : `  ${printable(shortName(name))}`;
    return `  ${printable(id)}${more}`;
  });
  if (found.length > mostCandidates) candidates.push('  … and more');
  throw new CliError(
    'ambiguous-id',
    `expected the beginning of one id, got ${printable(prefix)}, with which several ${what} begin`,
    { details: candidates.join('\n'), exitCode: 2 },
  );
}

/** The same for several. */
export async function resolveIds(
  client: Client,
  kind: TypedKind,
  texts: readonly string[],
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const text of texts) ids.push(await resolveId(client, kind, text));
  return [...new Set(ids)];
}
