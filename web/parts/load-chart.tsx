import type { Overview } from 'drover/client';
import { useState } from 'preact/hooks';
import { count } from '../words/format.ts';
import { loadsAt } from '../words/loads.ts';
import { MinuteChart } from './minute-chart.tsx';
import { Table } from './table.tsx';

const lines = [
  { label: 'with agents', colour: 'work' },
  { label: 'queued', colour: 'wait' },
];

/** How many builds wait and are built, by system: now, and over the last three hours. */
export function LoadChart({ overview }: { readonly overview: Overview | undefined }) {
  const [chosen, setChosen] = useState('');
  const { systems = [], loads, status } = overview ?? {};
  // A system goes from the list only with the coordinator; then all are shown.
  const system = systems.some(({ name }) => name === chosen) ? chosen : '';
  const shown = [...systems].sort((a, b) => b.queued + b.building - (a.queued + a.building));
  return (
    <section aria-labelledby="load">
      <h2 id="load">Queued and built</h2>
      {systems.length > 1 && (
        <p>
          <label for="load-system">
            System{' '}
            <select id="load-system" value={system} onChange={(event) => setChosen(event.currentTarget.value)}>
              <option value="">all</option>
              {systems.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        </p>
      )}
      <MinuteChart
        lines={lines}
        changed={`${system} ${JSON.stringify([loads?.at(-1), systems])}`}
        of={
          loads &&
          ((minutes) => {
            const found = loadsAt(loads, minutes, system === '' ? undefined : system);
            const most = Math.max(...found.map(({ queued }) => queued));
            const last = found.at(-1);
            return {
              lines: [found.map(({ building }) => building), found.map(({ queued }) => queued)],
              summary: `Agents have ${last?.building ?? 0} builds and ${last?.queued ?? 0} are queued; in the last three hours ${most} were at most.`,
            };
          })
        }
      />
      {shown.length > 0 && (
        <Table
          rows={shown}
          keyOf={({ name }) => name}
          empty=""
          columns={[
            { title: 'System', class: 'whole', cell: ({ name }) => <SystemLink name={name} /> },
            { title: 'With agents', class: 'number', cell: ({ building }) => count(building) },
            { title: 'Queued', class: 'number', cell: ({ queued }) => count(queued) },
            { title: 'of these ready', class: 'number', cell: ({ name }) => count(buildsOf(status?.ready, name)) },
            {
              title: 'that no agent takes',
              class: 'number',
              cell: ({ name }) => count(buildsOf(status?.unattended, name)),
            },
          ]}
        />
      )}
    </section>
  );
}

/** What stands for several of them has no list of its own. */
const SystemLink = ({ name }: { readonly name: string }) =>
  name === 'others' ? <>others</> : <a href={`/builds?system=${encodeURIComponent(name)}`}>{name}</a>;

/** Whoever submits names systems: one may be called as what every object has, like `constructor`. */
function buildsOf(bySystem: Readonly<Record<string, number>> | undefined, system: string): number {
  return bySystem !== undefined && Object.hasOwn(bySystem, system) ? (bySystem[system] ?? 0) : 0;
}
