import { drover } from '../live/connection.ts';
import { useLoaded, useNow } from '../live/loaded.ts';
import { type Agent, Ago, LastFailure, Slots, useHeartbeats } from '../parts/agent-parts.tsx';
import { Filters, valuesIn } from '../parts/filters.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { intakeOf, remarksOf } from '../words/agents.ts';
import { bytes } from '../words/format.ts';
import { agentLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';

const fields = [
  { field: 'name', label: 'Name contains' },
  { field: 'state', label: 'State', options: ['connected', 'disconnected', 'lost', 'new', 'retired'] },
  {
    field: 'intake',
    label: 'Takes builds',
    options: ['accepting', 'paused', 'draining', 'quarantined', 'unfit', 'limited', 'offline'],
  },
  { field: 'system', label: 'System' },
] as const;

/** Agents, and what keeps them from taking builds; those that were removed where the address asks for them. */
export function AgentsPage({ query }: PageProps) {
  const loaded = useLoaded(
    'agents',
    async () => (await drover.listAgents()).rows,
    ({ stream, actor }) => stream.startsWith('agent-') || actor.startsWith('agent-'),
  );
  useHeartbeats(loaded.reload);
  const now = useNow(10_000);
  const [name = '', state = '', intake = '', system = ''] = valuesIn(fields, query);
  const isAsked = (agent: Agent): boolean =>
    agent.name.includes(name) &&
    (state === '' ? agent.state !== 'retired' : agent.state === state) &&
    (intake === '' || agent.intake === intake) &&
    (system === '' || agent.abilities?.systems.includes(system) === true);
  return (
    <>
      <h1>Agents</h1>
      <Filters fields={fields} query={query} />
      <WhenLoaded of={loaded}>
        {(agents) => (
          <Table
            rows={agents.filter(isAsked)}
            keyOf={(agent) => agent.name}
            empty={
              agents.length > 0 ? (
                'None of these.'
              ) : (
                <>
                  There are none: <code>drover agents add NAME</code> makes one known.
                </>
              )
            }
            columns={[
              { title: 'Agent', cell: (agent) => <a href={agentLink(agent.name)}>{agent.name}</a> },
              { title: 'State', cell: (agent) => <State state={agent.state} /> },
              {
                title: 'Takes builds',
                cell: (agent) => (
                  <>
                    <State state={intakeOf(agent)} />
                    {remarksOf(agent, now).map((remark) => (
                      <div key={remark} class="quiet">
                        {remark}
                      </div>
                    ))}
                  </>
                ),
              },
              { title: 'Slots', cell: (agent) => <Slots agent={agent} /> },
              {
                title: 'Systems',
                cell: ({ abilities }) => (
                  <>
                    {abilities?.systems.map((system) => (
                      <div key={system} class="when">
                        {system}
                      </div>
                    ))}
                    {abilities !== undefined && abilities.features.length > 0 && (
                      <div class="quiet">{abilities.features.join(', ')}</div>
                    )}
                  </>
                ),
              },
              { title: 'Load', class: 'number', cell: ({ heartbeat }) => heartbeat?.load1?.toFixed(1) },
              {
                title: 'Free disk',
                class: 'number',
                cell: ({ heartbeat }) => heartbeat?.freeBytes !== undefined && bytes(heartbeat.freeBytes),
              },
              {
                title: 'Heartbeat',
                class: 'when',
                cell: ({ heartbeat }) => heartbeat !== undefined && <Ago at={heartbeat.at} />,
              },
              { title: 'Last attempts', cell: (agent) => <LastFailure agent={agent} /> },
            ]}
          />
        )}
      </WhenLoaded>
    </>
  );
}
