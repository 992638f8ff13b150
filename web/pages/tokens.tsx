import type { Operations } from 'drover/client';
import { useRef, useState } from 'preact/hooks';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Action } from '../parts/action.tsx';
import { Filters, valuesIn } from '../parts/filters.tsx';
import { Problem } from '../parts/problem.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { mayAct } from '../session/session.ts';
import { count } from '../words/format.ts';
import { actorLink, agentLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';

/** More would make the page slow; those that are valid come first. */
const most = 300;

type Token = Operations['listTokens']['answer']['rows'][number];
type Scope = Operations['createToken']['request']['scope'];

const scopes: Readonly<Record<Scope, string>> = {
  read: 'read: sees everything',
  submit: 'submit: also submits and steers builds',
  push: 'push: only puts items into the pool',
  admin: 'admin: may do everything',
};

const fields = [
  { field: 'name', label: 'Name contains' },
  { field: 'scope', label: 'May', options: ['read', 'submit', 'push', 'agent', 'admin'] },
  { field: 'state', label: 'State', options: ['active', 'revoked'] },
] as const;

/** Who may what; for those who may do everything. */
export function TokensPage({ self, query }: PageProps) {
  if (!mayAct(self, 'admin'))
    return (
      <>
        <h1>Tokens</h1>
        <p>This page is for who has a token of scope admin; you may what one of scope {self.scope} may.</p>
      </>
    );
  return (
    <>
      <h1>Tokens</h1>
      <Issue />
      <TokenList query={query} />
    </>
  );
}

function TokenList({ query }: { readonly query: URLSearchParams }) {
  const own = useLoaded('own token', () => drover.getOwnToken());
  const loaded = useLoaded(
    'tokens',
    async () => (await drover.listTokens()).rows,
    ({ stream }) => stream.startsWith('token-'),
  );
  const [name = '', scope = '', state = ''] = valuesIn(fields, query);
  const isAsked = (token: Token): boolean =>
    token.name.includes(name) &&
    (scope === '' || token.scope === scope) &&
    (state === '' || token.revoked === (state === 'revoked'));
  return (
    <section aria-labelledby="all">
      <h2 id="all">All</h2>
      <Filters fields={fields} query={query} />
      <WhenLoaded of={{ ...loaded, value: loaded.value?.filter(isAsked) }}>
        {(rows) => (
          <>
            <Table
              rows={[...rows]
                .sort((a, b) => Number(a.revoked) - Number(b.revoked) || b.issuedAt - a.issuedAt)
                .slice(0, most)}
              keyOf={({ id }) => id}
              empty="None of these."
              columns={[
                {
                  title: 'Token',
                  cell: ({ id, name, agent }) => (
                    <>
                      <code>{id}</code>
                      {id === own.value?.id && <span class="quiet"> yours</span>}{' '}
                      <a
                        href={actorLink(agent === undefined ? id : `agent-${agent}`)}
                        aria-label={`what it did: ${name}`}
                      >
                        what it did
                      </a>
                    </>
                  ),
                },
                { title: 'Name', cell: ({ name }) => name },
                { title: 'Scope', cell: ({ scope }) => scope },
                { title: 'Agent', cell: ({ agent }) => agent !== undefined && <a href={agentLink(agent)}>{agent}</a> },
                { title: 'Issued', class: 'when', cell: ({ issuedAt }) => <Time at={issuedAt} /> },
                {
                  title: 'State',
                  cell: ({ revoked, revocation, until }) =>
                    revoked ? (
                      <>
                        <State state="revoked" />
                        {revocation !== undefined && (
                          <>
                            {' '}
                            <Time at={revocation.at} /> by {revocation.name ?? revocation.by}
                          </>
                        )}
                      </>
                    ) : until === undefined ? (
                      <State state="active" />
                    ) : (
                      <>
                        <State state="active" /> until <Time at={until} />
                      </>
                    ),
                },
                {
                  title: 'What to do',
                  cell: ({ id, name, agent, revoked }) => (
                    <Action
                      offered={!revoked}
                      name="Revoke"
                      label={`Revoke ${name} (${id})`}
                      confirm={
                        id === own.value?.id
                          ? `Revoke ${name}? You are logged in with it: this page ends, too.`
                          : `Revoke ${name}? It is refused from then on, and what it has open ends with it${agent === undefined ? '' : `: the builds of ${agent} go to others`}.`
                      }
                      act={async () => {
                        await drover.revokeToken({ token: id });
                        return 'Revoked.';
                      }}
                      done={loaded.reload}
                    />
                  ),
                },
              ]}
            />
            {rows.length > most && (
              <p class="quiet">
                and {count(rows.length - most)} more: <code>drover tokens list</code>
              </p>
            )}
          </>
        )}
      </WhenLoaded>
    </section>
  );
}

/** Makes a token. Its secret is in this page alone, and is gone with it. */
function Issue() {
  const [name, setName] = useState('');
  const [scope, setScope] = useState<Scope>('read');
  const [issued, setIssued] = useState<{ readonly name: string; readonly secret: string }>();
  const [error, setError] = useState<Error>();
  const heading = useRef<HTMLHeadingElement>(null);

  async function issue(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setError(undefined);
    try {
      const { secret } = await drover.createToken({ name: name.trim(), scope });
      setIssued({ name: name.trim(), secret });
      setName('');
      requestAnimationFrame(() => heading.current?.focus());
    } catch (problem) {
      setError(problem as Error);
    }
  }
  return (
    <section aria-labelledby="issue">
      <h2 id="issue">Issue one</h2>
      <form class="fields" onSubmit={(event) => void issue(event)}>
        <label for="token-name">
          Name
          <input
            id="token-name"
            value={name}
            required
            autocomplete="off"
            maxLength={128}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label for="token-scope">
          Scope
          <select id="token-scope" value={scope} onChange={(event) => setScope(event.currentTarget.value as Scope)}>
            {Object.entries(scopes).map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <button type="submit">Issue</button>
      </form>
      {error !== undefined && <Problem error={error} />}
      {issued !== undefined && (
        <div class="panel">
          <h3 ref={heading} tabIndex={-1}>
            The secret of {issued.name}
          </h3>
          <p>It is shown now and never again: the coordinator keeps only its digest.</p>
          <code class="secret">{issued.secret}</code>
          <div class="actions">
            <Action
              name="Copy"
              act={async () => {
                await navigator.clipboard.writeText(issued.secret);
                return 'Copied.';
              }}
            />
            <button type="button" onClick={() => setIssued(undefined)}>
              I have it
            </button>
          </div>
        </div>
      )}
    </section>
  );
}
