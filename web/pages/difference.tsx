import { droverAt, present } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Filters } from '../parts/filters.tsx';
import { Name } from '../parts/name.tsx';
import { Problem } from '../parts/problem.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { atMoment } from '../past/address.ts';
import { actorText, countsOf, moreRows, othersChanged, rowsAsked } from '../past/changes.ts';
import {
  type Change,
  type Difference,
  type Edge,
  isRefused,
  type Kind,
  momentRead,
  positionOf,
  readDifference,
} from '../past/moments.ts';
import { Progress } from '../past/progress.tsx';
import { useReading } from '../past/reading.ts';
import { goTo, withQuery } from '../router.ts';
import { inOneLine } from '../words/failures.ts';
import { count, duration, time } from '../words/format.ts';
import { agentLink, buildLink, derivationLink, hookLink, itemLink, rootLink, submissionLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';

/** Kinds in the order in which people look at them, what they are called, and where one of them has its page. */
const kinds: Readonly<Record<Kind, { readonly title: string; readonly href: (change: Change) => string }>> = {
  submissions: { title: 'Submissions', href: ({ id }) => submissionLink(id) },
  builds: { title: 'Builds', href: ({ id }) => buildLink(id) },
  items: { title: 'Items', href: ({ name }) => itemLink(name) },
  agents: { title: 'Agents', href: ({ id }) => agentLink(id) },
  roots: { title: 'Roots', href: ({ id }) => rootLink(id) },
  hooks: { title: 'Hooks', href: ({ id }) => hookLink(id) },
  tokens: { title: 'Tokens', href: () => '/tokens' },
  texts: {
    title: 'Texts of derivations',
    href: ({ name }) => derivationLink(name),
  },
};
const order = Object.keys(kinds) as Kind[];

/** What is not the same at two moments, who made it so, and by which event. */
export function DifferencePage({ query }: PageProps) {
  const [from, to] = [query.get('from') ?? '', query.get('to') ?? ''];
  const limit = rowsAsked(query.get('limit'));
  const kind = query.get('kind') ?? '';
  const read = useReading(from === '' ? undefined : `${from} ${to} ${limit}`, async (signal) => {
    const [one, other] = await Promise.all([positionOf(from), positionOf(to === '' ? 'now' : to)]);
    // Positions sort as texts do.
    const [first, last] = one <= other ? [one, other] : [other, one];
    // What now was is gone soon: an address that is sent on says which events.
    if (!signal.aborted && (first !== from || last !== to)) goTo(withQuery({ from: first, to: last }), 'replace');
    return readDifference(first, last, limit);
  });
  const fields = [
    { field: 'from', label: 'From a time, position or event' },
    { field: 'to', label: 'To (now where there is none)' },
    { field: 'kind', label: 'What', options: order },
  ];
  const { answer, error, retry } = read;
  return (
    <>
      <h1>Difference</h1>
      <Filters fields={fields} query={query} />
      {from === '' && <p class="quiet">Say from when on.</p>}
      {error !== undefined && <Problem error={error} {...(!isRefused(error) && { retry })} />}
      {from !== '' && answer === undefined && error === undefined && <p class="loading">Loading…</p>}
      {answer !== undefined && !answer.ready && <Progress of={answer} what="The log is read from one to the other:" />}
      {answer?.ready === true && <Found difference={answer} kind={kind} limit={limit} />}
    </>
  );
}

function Found({
  difference,
  kind,
  limit,
}: {
  readonly difference: Difference;
  readonly kind: string;
  readonly limit: number;
}) {
  const { from, to, events, derivations } = difference;
  const shown = order.filter((one) => (kind === '' || one === kind) && difference[one].total > 0);
  const same = order.filter((one) => (kind === '' || one === kind) && difference[one].total === 0);
  return (
    <>
      <p>
        From <EdgeText edge={from} /> to <EdgeText edge={to} />: {count(events)} {events === 1 ? 'event' : 'events'},{' '}
        {duration(Math.max(0, Date.parse(to.time) - Date.parse(from.time)))} apart
        {derivations > 0 && `, ${count(derivations)} new derivations`}.
      </p>
      {kind === '' && <Counted from={from} to={to} />}
      {shown.map((one) => (
        <Changes key={one} kind={one} difference={difference} limit={limit} />
      ))}
      {same.length > 0 && (
        <p class="quiet">
          {shown.length === 0 ? 'Nothing is different' : 'Nothing else is different'}: no{' '}
          {same.map((one) => kinds[one].title.toLowerCase()).join(', no ')}.
        </p>
      )}
      {kind === '' && events > 0 && <Doings difference={difference} limit={limit} />}
    </>
  );
}

function EdgeText({ edge }: { readonly edge: Edge }) {
  return (
    <>
      <a href={atMoment(edge.position, '/')}>{time(Date.parse(edge.time), Date.now())}</a>{' '}
      <span class="quiet">
        (<code>{edge.position}</code>)
      </span>
    </>
  );
}

/** What there was how many of, at one and at the other. */
function Counted({ from, to }: { readonly from: Edge; readonly to: Edge }) {
  const loaded = useLoaded(`counts ${from.position} ${to.position}`, (signal) => statusesAt([from, to], signal));
  return (
    <section aria-labelledby="counts">
      <h2 id="counts">How many there were</h2>
      <WhenLoaded of={loaded}>
        {([before, after]) => (
          <Table
            rows={countsOf(after).map((one, index) => ({ ...one, before: countsOf(before)[index]?.count ?? 0 }))}
            keyOf={({ name }) => name}
            columns={[
              {
                title: 'What',
                cell: ({ name, state }) =>
                  state === undefined ? (
                    name
                  ) : (
                    <>
                      builds <State state={state} />
                    </>
                  ),
              },
              { title: 'From', class: 'number', cell: (row) => count(row.before) },
              { title: 'To', class: 'number', cell: (row) => count(row.count) },
              {
                title: 'Difference',
                class: 'number',
                cell: (row) => signed(row.count - row.before),
              },
            ]}
          />
        )}
      </WhenLoaded>
    </section>
  );
}

const signed = (value: number): string => (value === 0 ? '' : value > 0 ? `+${count(value)}` : `−${count(-value)}`);

/** One after the other, as few moments are there at a time. */
async function statusesAt(edges: readonly [Edge, Edge], signal: AbortSignal) {
  return [await statusAt(edges[0], signal), await statusAt(edges[1], signal)] as const;
}

async function statusAt(edge: Edge, signal: AbortSignal) {
  const now = await present.getStatus();
  if (edge.position === now.position) return now;
  await momentRead(edge.position, signal);
  return droverAt(edge.position).getStatus();
}

function Changes({
  kind,
  difference,
  limit,
}: {
  readonly kind: Kind;
  readonly difference: Difference;
  readonly limit: number;
}) {
  const { title, href } = kinds[kind];
  const { total, counts, rows } = difference[kind];
  const { from, to } = difference;
  return (
    <section aria-labelledby={kind}>
      <h2 id={kind}>
        {title}: {count(total)}
      </h2>
      <ul class="counts">
        {counts.map((one) => (
          <li key={`${one.from} ${one.to}`}>
            {count(one.count)} <Arrow from={one.from} to={one.to} />
          </li>
        ))}
      </ul>
      <Table
        rows={rows}
        keyOf={({ id }) => id}
        columns={[
          {
            title: 'Which',
            cell: (row) => (
              <Which row={row} href={atMoment(row.to === null ? from.position : to.position, href(row))} />
            ),
          },
          {
            title: 'Before and after',
            cell: (row) => (
              <>
                <Arrow from={row.from?.state ?? null} to={row.to?.state ?? null} />
                {othersChanged(row.from, row.to).map((text) => (
                  <div key={text} class="quiet">
                    {text}
                  </div>
                ))}
              </>
            ),
          },
          { title: 'By', cell: ({ by }) => actorText(by) },
          {
            title: 'Event',
            cell: (row) => (
              <>
                <a href={atMoment(row.event, href(row))} title={`as of ${row.event}`}>
                  {row.type}
                </a>
                {row.why !== undefined && <div class="quiet">{inOneLine(row.why)}</div>}
              </>
            ),
          },
          { title: 'When', class: 'when', cell: ({ at }) => <Time at={at} /> },
        ]}
      />
      {total > rows.length && (
        <p>
          {count(rows.length)} of {count(total)}. <More limit={limit} kind={kind} />
        </p>
      )}
    </section>
  );
}

/** The way to more rows of each list, or where all are that there may be of one, to what has the rest. */
function More({ limit, kind }: { readonly limit: number; readonly kind?: string }) {
  const more = moreRows(limit);
  if (more === undefined)
    return (
      <>
        The others: <code>drover replay --diff FROM TO --limit N</code>
      </>
    );
  return <a href={withQuery({ limit: String(more), ...(kind !== undefined && { kind }) })}>More of them</a>;
}

function Which({ row: { id, name }, href }: { readonly row: Change; readonly href: string }) {
  if (/^[0-9a-z]{32}-/.test(name)) return <Name base={name} href={href} />;
  return <a href={href}>{name === '' ? id : name}</a>;
}

/** From one state to the other; `none` where it was not there. */
function Arrow({ from, to }: { readonly from: string | null; readonly to: string | null }) {
  if (from === to && to !== null) return <State state={to} />;
  return (
    <>
      {from === null ? 'none' : <State state={from} />} → {to === null ? 'none' : <State state={to} />}
    </>
  );
}

function Doings({ difference: { actors }, limit }: { readonly difference: Difference; readonly limit: number }) {
  return (
    <section aria-labelledby="doings">
      <h2 id="doings">Who did what</h2>
      <Table
        rows={actors.rows}
        keyOf={({ by }) => by.id}
        columns={[
          { title: 'By', cell: ({ by }) => actorText(by) },
          { title: 'Events', class: 'number', cell: ({ events }) => count(events) },
          {
            title: 'What',
            cell: ({ types }) =>
              Object.entries(types)
                .map(([type, times]) => `${type} ${count(times)}`)
                .join(', '),
          },
        ]}
      />
      {actors.total > actors.rows.length && (
        <p>
          <More limit={limit} />
        </p>
      )}
    </section>
  );
}
