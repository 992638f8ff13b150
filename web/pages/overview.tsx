import type { Overview as Told } from 'drover/client';
import { Fragment } from 'preact';
import { drover } from '../live/connection.ts';
import { type Loaded, useLoaded } from '../live/loaded.ts';
import { useOverview } from '../live/overview.ts';
import { Slots } from '../parts/agent-parts.tsx';
import { EndedChart } from '../parts/ended-chart.tsx';
import { LoadChart } from '../parts/load-chart.tsx';
import { Name } from '../parts/name.tsx';
import { kindOf, State } from '../parts/state.tsx';
import { SubmissionTable } from '../parts/submission-table.tsx';
import { Table } from '../parts/table.tsx';
import { Since } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { moment } from '../router.ts';
import { intakeOf } from '../words/agents.ts';
import { bytes, count, counted, duration } from '../words/format.ts';
import { agentLink, buildLink, hookLink } from '../words/links.ts';
import { buildStates } from '../words/things.ts';
import { troublesOf } from './troubles.ts';

type Status = Told['status'];

/** Whether all is well, and if not, what to do; what runs where, and what was asked for last. */
export const Overview = () => (moment() === undefined ? <Now /> : <Then />);

const Now = () => <Shown overview={useOverview()} />;

function Then() {
  return <Shown overview={useLoaded('overview', () => drover.getOverview())} />;
}

function Shown({ overview }: { readonly overview: Loaded<Told> }) {
  // Why it could not be loaded is said once.
  const parts = { ...overview, error: undefined };
  return (
    <>
      <h1>Overview</h1>
      <WhenLoaded of={overview}>
        {({ status, unready, agents, hooks, warnings }) => (
          <>
            {overview.error === undefined && (
              <Verdict
                troubles={troublesOf({
                  status,
                  agents,
                  hooks,
                  readiness: unready.length === 0 ? undefined : unready.join('; '),
                  warnings,
                })}
              />
            )}
            <Figures status={status} />
          </>
        )}
      </WhenLoaded>
      <Pace
        rate={overview.value?.rate}
        hooks={overview.value?.hooks ?? []}
        agents={overview.value?.agents ?? []}
        room={overview.value?.room}
      />
      <div class="columns">
        <LoadChart overview={overview.value} />
        <EndedChart ended={overview.value?.ended} />
      </div>
      <div class="columns">
        <section aria-labelledby="running">
          <h2 id="running">Running</h2>
          <WhenLoaded of={parts}>
            {({ building }) => (
              <Table
                rows={building}
                keyOf={({ id }) => id}
                empty="Nothing runs."
                columns={[
                  { title: 'Build', cell: ({ id, derivation }) => <Name base={derivation} href={buildLink(id)} /> },
                  { title: 'Agent', cell: ({ agent }) => agent !== null && <a href={agentLink(agent)}>{agent}</a> },
                  {
                    title: 'Runs for',
                    class: 'number',
                    cell: ({ startedAt, state }) =>
                      startedAt === null ? <State state={state} /> : <Since at={startedAt} />,
                  },
                  {
                    title: 'Took before',
                    class: 'number',
                    cell: ({ before }) => before !== undefined && duration(before),
                  },
                ]}
              />
            )}
          </WhenLoaded>
        </section>
        <section aria-labelledby="agents">
          <h2 id="agents">Agents</h2>
          <WhenLoaded of={parts}>
            {({ agents }) => (
              <Table
                rows={agents.filter(({ state }) => state !== 'retired')}
                keyOf={({ name }) => name}
                empty={
                  <>
                    There are none: <code>drover agents add NAME</code> makes one known.
                  </>
                }
                columns={[
                  { title: 'Agent', cell: ({ name }) => <a href={agentLink(name)}>{name}</a> },
                  {
                    title: 'Takes builds',
                    cell: (agent) => (
                      <span title={agent.reason}>
                        <State state={intakeOf(agent)} />
                      </span>
                    ),
                  },
                  { title: 'Slots', cell: (agent) => <Slots agent={agent} /> },
                ]}
              />
            )}
          </WhenLoaded>
        </section>
      </div>
      <section aria-labelledby="submissions">
        <h2 id="submissions">
          <a href="/submissions">Submissions</a>
        </h2>
        <WhenLoaded of={parts}>
          {({ submissions }) => (
            <SubmissionTable
              rows={submissions}
              empty={
                <>
                  Nothing was submitted yet: <code>drover submit FILE.drv</code>
                </>
              }
            />
          )}
        </WhenLoaded>
      </section>
    </>
  );
}

/** How fast the log grows, how far hooks are behind, what the pool takes, and what room is left. */
function Pace({
  rate,
  hooks,
  agents,
  room,
}: Pick<Told, 'hooks' | 'agents'> & {
  readonly rate: number | undefined;
  readonly room: Told['room'] | undefined;
}) {
  const behind = hooks.filter(({ lag }) => lag.events > 0).sort((a, b) => b.lag.events - a.lag.events);
  const disks = agents.flatMap(({ name, heartbeat }) =>
    heartbeat?.freeBytes === undefined ? [] : [{ name, free: heartbeat.freeBytes }],
  );
  const least = disks.sort((a, b) => a.free - b.free)[0];
  return (
    <dl class="facts panel">
      <dt>Log</dt>
      <dd>
        <a href="/events">
          {rate === undefined || moment() !== undefined
            ? 'what happened last'
            : `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} events a second`}
        </a>
        {room?.logBytes !== undefined && `, ${bytes(room.logBytes)}`}
      </dd>
      <dt>Hooks</dt>
      <dd>
        {behind[0] === undefined ? (
          `${hooks.length === 0 ? 'there are none' : 'all have delivered what they owe'}`
        ) : (
          <a href={hookLink(behind[0].name)}>
            {behind[0].name} owes {counted(behind[0].lag.events, 'event')}
            {behind.length > 1 ? `, and ${behind.length - 1} others owe some` : ''}
          </a>
        )}
      </dd>
      {room !== undefined && (
        <>
          <dt>Pool</dt>
          <dd>
            <a href="/items">{bytes(room.poolBytes)}</a>
          </dd>
        </>
      )}
      {room?.disks.map(({ name, freeBytes, bytes: all, keptBytes }) => (
        <Fragment key={name}>
          <dt>Disk of {name}</dt>
          <dd>
            <span class={freeBytes < 4 * keptBytes ? 'bad' : ''}>{bytes(freeBytes)} free</span> of {bytes(all)}
            <span class="quiet">; {bytes(keptBytes)} are kept for the log</span>
          </dd>
        </Fragment>
      ))}
      {least !== undefined && (
        <>
          <dt>Least room of agents</dt>
          <dd>
            {bytes(least.free)} on <a href={agentLink(least.name)}>{least.name}</a>
          </dd>
        </>
      )}
    </dl>
  );
}

function Verdict({ troubles }: { readonly troubles: ReturnType<typeof troublesOf> }) {
  if (troubles.length === 0)
    return (
      <div class="panel verdict good" role="status">
        All is well.
      </div>
    );
  return (
    <div class="panel verdict bad" role="status">
      {troubles.length === 1 ? 'One thing needs somebody.' : `${troubles.length} things need somebody.`}
      <ul>
        {troubles.map(({ text, href, todo }) => (
          <li key={text}>
            {href === undefined ? text : <a href={href}>{text}</a>}
            {todo !== undefined && <span class="quiet"> {todo}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

const shown = buildStates.filter((state) => state !== 'running');

function Figures({ status: { builds, agents, items } }: { readonly status: Status }) {
  // An agent that has one may still have to fetch what it needs: that is in no other figure, and takes a slot.
  const counts = { ...builds, building: builds.allocated + builds.running };
  return (
    <ul class="figures">
      {shown.map((state) => (
        <li key={state}>
          <a href={`/builds?state=${state}`}>
            <b class={counts[state] > 0 ? kindOf(state) : 'plain'}>{count(counts[state])}</b> {state}
          </a>
        </li>
      ))}
      <li>
        <a href="/agents">
          <b>
            {count(agents.busy)}/{count(agents.slots)}
          </b>{' '}
          slots busy
        </a>
      </li>
      <li>
        <a href="/items">
          <b>{count(items)}</b> items
        </a>
      </li>
    </ul>
  );
}
