import type { Operations } from 'drover/client';
import { count } from '../words/format.ts';
import { submissionLink } from '../words/links.ts';
import { Counts } from './counts.tsx';
import { Name } from './name.tsx';
import { State } from './state.tsx';
import { Time } from './time.tsx';

export type SubmissionRow = Operations['listSubmissions']['answer']['rows'][number];

export function SubmissionTable({ rows }: { readonly rows: readonly SubmissionRow[] }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Requested</th>
            <th>State</th>
            <th class="wide">Builds</th>
            <th>Received</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ id, derivation, roots, state, counts, receivedAt }) => (
            <tr key={id}>
              <td>
                {derivation === null ? (
                  <a href={submissionLink(id)}>{id}</a>
                ) : (
                  <Name base={derivation} href={submissionLink(id)} />
                )}
                {roots > 1 && <span class="quiet"> and {count(roots - 1)} more</span>}
              </td>
              <td>
                <State state={state} />
              </td>
              <td>
                <Counts label={`builds of ${id}`} counts={counts} />
              </td>
              <td class="when">
                <Time at={receivedAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
