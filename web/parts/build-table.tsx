import type { Operations } from 'drover/client';
import { agentLink, buildLink } from '../words/links.ts';
import { Name } from './name.tsx';
import { State } from './state.tsx';
import { Time, Took } from './time.tsx';

export type BuildRow = Operations['listBuilds']['answer']['rows'][number];

/** How a build stands: of one that is queued, what it is queued for. */
export const standingOf = ({ state, standing }: Pick<BuildRow, 'state' | 'standing'>): string => standing ?? state;

export function BuildTable({ rows }: { readonly rows: readonly BuildRow[] }) {
  if (rows.length === 0) return <p class="quiet">There are none.</p>;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Build</th>
            <th>State</th>
            <th>System</th>
            <th>Agent</th>
            <th>Submitted</th>
            <th class="number">Took</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td>
                <Name base={row.derivation} href={buildLink(row.id)} />
                {row.failure !== null && row.state === 'failed' && <div class="quiet">{row.failure.class}</div>}
              </td>
              <td>
                <State state={standingOf(row)} />
              </td>
              <td>{row.system}</td>
              <td>{row.agent !== null && <a href={agentLink(row.agent)}>{row.agent}</a>}</td>
              <td class="when">
                <Time at={row.submittedAt} />
              </td>
              <td class="number">
                {/* One that waits for another attempt was begun, and is at rest. */}
                <Took from={row.state === 'queued' ? null : row.startedAt} to={row.endedAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
