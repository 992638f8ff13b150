import type { Operations } from 'drover/client';
import { useState } from 'preact/hooks';
import type { Forest } from '../graph/forest.ts';
import { Name } from '../parts/name.tsx';
import { State } from '../parts/state.tsx';
import { Since } from '../parts/time.tsx';
import { duration } from '../words/format.ts';
import { agentLink, buildLink } from '../words/links.ts';

export type OutlookNode = Operations['getSubmissionOutlook']['answer']['nodes'][number] & { readonly id: string };

/** So many lines at first: more of them make a page slow that changes twice a second. */
const usual = 150;

/** What runs, under what waits for it most. */
export function WaitTree({
  forest: { roots, below },
  total,
}: {
  readonly forest: Forest<OutlookNode>;
  readonly total: number;
}) {
  const [isWhole, setWhole] = useState(false);
  let left = isWhole ? Number.POSITIVE_INFINITY : usual;
  const level = (nodes: readonly OutlookNode[]) =>
    nodes.map((node) => {
      if (left-- <= 0) return null;
      const under = below(node.id);
      return (
        <li key={node.id}>
          <Line node={node} />
          {under.length > 0 && left > 0 && <ul>{level(under)}</ul>}
        </li>
      );
    });
  return (
    <>
      <ul class="tree waits">{level(roots)}</ul>
      {total > usual && (
        <button type="button" onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'Fewer' : `All ${total} of them`}
        </button>
      )}
    </>
  );
}

function Line({ node: { build, derivation, state, agent, since, before, lacks } }: { readonly node: OutlookNode }) {
  return (
    <>
      <State state={state} /> <Name base={derivation} href={buildLink(build)} />{' '}
      <span class="quiet">
        {agent !== undefined && (
          <>
            on <a href={agentLink(agent)}>{agent}</a>{' '}
          </>
        )}
        {since !== undefined && (
          <>
            for <Since at={since} />{' '}
          </>
        )}
        {before !== undefined && <>({duration(before)} before) </>}
        {since === undefined && lacks > 0 && <>lacks {lacks === 1 ? 'one input' : `${lacks} inputs`}</>}
      </span>
    </>
  );
}
