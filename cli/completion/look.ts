import type { RootDetail } from '../../coordinator/application.ts';
import type { HookStatus } from '../../coordinator/hooks/status.ts';
import type { FoundId } from '../../coordinator/ports/views.ts';
import { readContexts } from '../contexts/store.ts';
import type { Client } from '../http/client.ts';
import { connectPlainly } from '../http/connection.ts';
import { shortName } from '../output/text.ts';
import type { Candidate, Completion } from './complete.ts';
import { childrenOf } from './complete.ts';
import type { Source, Tree } from './tree.ts';

/** As many as the coordinator gives at once; who has more types another letter. */
const mostIds = 100;

/**
 * Looks for what may stand on the line, at the coordinator that the line, the environment or the context in use names. @returns all of it,
 * where it begins as it has to.
 */
export async function lookFor(
  { source, prefix, of }: NonNullable<Completion['look']>,
  tree: Tree,
  given: Completion['given'],
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  const found = await candidatesOf(source, prefix, tree, { of, given, environment, signal });
  // What each shell takes as one word, and as nothing to run; and the command not as a flag.
  return found.filter(({ value }) => value.startsWith(prefix) && /^(?!-)[\w.:@%+=,?/-]+$/.test(value));
}

interface Around {
  readonly of: string | undefined;
  readonly given: Completion['given'];
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

async function candidatesOf(source: Source, prefix: string, tree: Tree, around: Around): Promise<readonly Candidate[]> {
  switch (source) {
    case 'builds':
    case 'submissions':
    case 'items': {
      const rows = await rowsOf<FoundId>(around, '/v1/ids', { kind: source, prefix, limit: mostIds });
      return rows.map(({ id, name }) => ({
        value: id,
        ...(name !== null && name !== id && { about: shortName(name) }),
      }));
    }
    case 'agents': {
      const agents = await rowsOf<{ name: string; state: string }>(around, '/v1/agents');
      return agents.filter(({ state }) => state !== 'retired').map(named('state'));
    }
    case 'systems': {
      const agents = await rowsOf<{ abilities?: { systems: readonly string[] } }>(around, '/v1/agents');
      return [...new Set(agents.flatMap(({ abilities }) => abilities?.systems ?? []))].map((value) => ({ value }));
    }
    case 'roots':
      return (await rowsOf<{ name: string; source: string }>(around, '/v1/roots')).map(named('source'));
    case 'kept': {
      if (around.of === undefined) return [];
      const { kept } = await answerOf<RootDetail>(around, `/v1/roots/${encodeURIComponent(around.of)}`);
      return kept.map(({ item, state }) => ({ value: item, about: state }));
    }
    case 'parked':
    case 'held': {
      if (around.of === undefined) return [];
      const { failing, parked } = await answerOf<HookStatus>(around, `/v1/hooks/${encodeURIComponent(around.of)}`);
      return [
        ...parked.map(({ event }) => ({ value: event, about: 'parked' })),
        ...(source === 'held' ? failing : []).map(({ event }) => ({ value: event, about: 'failing' })),
      ];
    }
    case 'upstreams':
      return (await rowsOf<{ name: string; url: string }>(around, '/v1/upstreams')).map(named('url'));
    case 'hooks':
      return (await rowsOf<{ name: string; state: string }>(around, '/v1/hooks')).map(named('state'));
    case 'tokens': {
      const tokens = await rowsOf<{ id: string; name: string; revoked: boolean }>(around, '/v1/tokens');
      return tokens.filter(({ revoked }) => !revoked).map(({ id, name }) => ({ value: id, about: name }));
    }
    case 'contexts':
      return Object.entries(readContexts(around.environment).contexts).map(([value, { url: about }]) => ({
        value,
        about,
      }));
    case 'commands':
      return childrenOf(tree, { words: '' });
    case 'files':
    case 'folders':
      // The shell knows these itself.
      return [];
  }
}

const named =
  <About extends string>(about: About) =>
  (row: { readonly name: string } & Readonly<Record<About, string>>): Candidate => ({
    value: row.name,
    about: row[about],
  });

async function rowsOf<Row>(
  around: Around,
  path: string,
  query: Parameters<Client['get']>[1] = {},
): Promise<readonly Row[]> {
  return (await answerOf<{ rows: readonly Row[] }>(around, path, query)).rows;
}

async function answerOf<Answer>(
  { given, environment, signal }: Around,
  path: string,
  query: Parameters<Client['get']>[1] = {},
): Promise<Answer> {
  const { url, context, token } = given;
  const tokenFile = given['admin-token-file'] ?? given['token-file'];
  const flags = {
    ...(url !== undefined && { url }),
    ...(context !== undefined && { context }),
    ...(token !== undefined && { token }),
    ...(tokenFile !== undefined && { tokenFile }),
  };
  const client = connectPlainly(flags, { environment });
  return client.call<Answer>('GET', path, { query, signal });
}
