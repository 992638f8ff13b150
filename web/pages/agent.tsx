import type { DroverEvent } from 'drover/client';
import { useMemo, useState } from 'preact/hooks';
import { drover } from '../live/connection.ts';
import { useLoaded, useNow } from '../live/loaded.ts';
import { Action } from '../parts/action.tsx';
import { type Agent, Ago, LastFailure, Slots, useHeartbeats } from '../parts/agent-parts.tsx';
import { BuildTable } from '../parts/build-table.tsx';
import { EventTable } from '../parts/event-table.tsx';
import { Facts } from '../parts/facts.tsx';
import { Name } from '../parts/name.tsx';
import { Problem } from '../parts/problem.tsx';
import { Reason } from '../parts/reason.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { mayAct } from '../session/session.ts';
import { intakeOf, remarksOf } from '../words/agents.ts';
import { inOneLine } from '../words/failures.ts';
import { bytes } from '../words/format.ts';
import { buildLink, eventsLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';
import { useLog } from './events.tsx';

/** One agent: whether it takes builds and what keeps it, what it runs and ran, and what happened to it. */
export function AgentPage({ self, id }: PageProps) {
  const touches = ({ stream, actor, data }: DroverEvent): boolean =>
    stream === `agent-${id}` || actor === `agent-${id}` || (data as { readonly agent?: unknown }).agent === id;
  const loaded = useLoaded(`agent ${id}`, () => drover.getAgent({ agent: id }), touches);
  useHeartbeats(loaded.reload);
  return (
    <>
      <h1>{id}</h1>
      <WhenLoaded of={loaded}>
        {(agent) => (
          <>
            <AgentFacts agent={agent} />
            {mayAct(self, 'admin') && agent.state !== 'retired' && <Actions agent={agent} reload={loaded.reload} />}
            <Running agent={agent} />
          </>
        )}
      </WhenLoaded>
      <Builds agent={id} touches={touches} />
      <Events agent={id} />
    </>
  );
}

function AgentFacts({ agent }: { readonly agent: Agent }) {
  const { state, link, abilities, version, builder, heartbeat, recent } = agent;
  const now = useNow(10_000);
  const remarks = remarksOf(agent, now);
  const { host, pid, address } = link.place ?? {};
  const place = [
    host,
    pid === undefined ? undefined : `process ${pid}`,
    address === undefined ? undefined : `from ${address}`,
  ];
  return (
    <Facts
      facts={{
        State: (
          <>
            <State state={state} /> since <Time at={link.since} />
          </>
        ),
        'Takes builds': (
          <>
            <State state={intakeOf(agent)} />
            {remarks.map((remark) => (
              <div key={remark}>{remark}</div>
            ))}
          </>
        ),
        'Slots in use': abilities && <Slots agent={agent} />,
        Systems: abilities?.systems.join(', '),
        Features: textOf(abilities?.features),
        'Only builds with': textOf(abilities?.mandatoryFeatures),
        'Store directory': abilities?.storeDir,
        Load: heartbeat?.load1?.toFixed(2),
        'Free disk': heartbeat?.freeBytes === undefined ? undefined : bytes(heartbeat.freeBytes),
        Heartbeat: heartbeat && <Ago at={heartbeat.at} />,
        'Last attempts': recent.attempts > 0 ? <LastFailure agent={agent} /> : undefined,
        'What failed last': recent.lastFailure && inOneLine(recent.lastFailure.message),
        'Runs on': link.place && place.filter((one) => one !== undefined).join(', '),
        Version: version,
        Builder: builder,
      }}
    />
  );
}

const textOf = (names: readonly string[] = []): string | undefined =>
  names.length === 0 ? undefined : names.join(', ');

function Actions({ agent, reload }: { readonly agent: Agent; readonly reload: () => void }) {
  const [reason, setReason] = useState('');
  const { name, operator, quarantine } = agent;
  const said = () => ({ agent: name, ...(reason.trim() !== '' && { reason: reason.trim() }) });
  const isPaused = operator.said === 'paused';
  const isActive = operator.said === 'active';
  const done = (): void => {
    setReason('');
    reload();
  };
  return (
    <div class="actions fields">
      <Reason id="reason" value={reason} change={setReason} />
      <Action
        offered={!isPaused}
        name="Pause"
        act={async () => {
          await drover.pauseAgent(said());
          return 'It takes no more builds, and goes on with those that it has.';
        }}
        done={done}
      />
      <Action
        offered={isActive || isPaused}
        name="Drain"
        act={async () => {
          await drover.drainAgent(said());
          return 'It takes no more builds; once it has none it is drained.';
        }}
        done={done}
      />
      <Action
        offered={!isActive || quarantine !== undefined}
        name={isActive ? 'Lift the quarantine' : 'Resume'}
        act={async () => {
          await drover.resumeAgent(said());
          return 'It takes builds again.';
        }}
        done={done}
      />
    </div>
  );
}

function Running({ agent: { running } }: { readonly agent: Agent }) {
  return (
    <section aria-labelledby="running">
      <h2 id="running">Running</h2>
      <Table
        rows={running}
        keyOf={({ build }) => build}
        empty="Nothing runs there."
        columns={[
          { title: 'Build', cell: ({ build, derivation }) => <Name base={derivation} href={buildLink(build)} /> },
          { title: 'Attempt', class: 'number', cell: ({ attempt }) => attempt },
        ]}
      />
    </section>
  );
}

function Builds({ agent, touches }: { readonly agent: string; readonly touches: (event: DroverEvent) => boolean }) {
  const loaded = useLoaded(
    `builds on ${agent}`,
    async () => (await drover.listBuilds({ agent, limit: 20 })).rows,
    touches,
  );
  return (
    <section aria-labelledby="builds">
      <h2 id="builds">
        <a href={`/builds?agent=${encodeURIComponent(agent)}`}>Last builds</a>
      </h2>
      <WhenLoaded of={loaded}>{(rows) => <BuildTable rows={rows} />}</WhenLoaded>
    </section>
  );
}

/** So many of an agent's events are shown, of so many of the log. */
const mostEvents = 50;
const back = 50_000;

/** What happened to it last, and happens. */
function Events({ agent }: { readonly agent: string }) {
  const query = useMemo(() => new URLSearchParams({ stream: `agent-${agent}` }), [agent]);
  const { events, isRead, error, reaches } = useLog(query, back, false);
  return (
    <section aria-labelledby="events">
      <h2 id="events">Events</h2>
      {error !== undefined && <Problem error={error} />}
      <EventTable events={events.slice(0, mostEvents)} empty={isRead ? 'None of late.' : 'Loading…'} />
      {(reaches !== 'start' || events.length > mostEvents) && (
        <p>
          <a href={`${eventsLink(`agent-${agent}`)}&back=${10 * back}`}>More of them</a>
        </p>
      )}
    </section>
  );
}
