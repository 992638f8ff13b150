import type { DroverEvent } from 'drover/client';
import { useMemo, useRef } from 'preact/hooks';
import { GraphView } from '../graph/graph-view.tsx';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Name } from '../parts/name.tsx';
import { State } from '../parts/state.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { goTo, usePlace, withQuery } from '../router.ts';
import { count } from '../words/format.ts';
import { buildLink } from '../words/links.ts';
import { type Graph, lookOf } from './graph-look.ts';

/** All builds of a submission and what waits for what; where there are very many, parts of it that can be opened. */
export function GraphSection({
  id,
  touches,
  path,
}: {
  readonly id: string;
  readonly touches: (event: DroverEvent) => boolean;
  /** Builds of the critical path. */
  readonly path: readonly string[];
}) {
  const part = usePlace().query.get('part') ?? '';
  const key = `graph ${id} ${part}`;
  // What stays while states change is asked for once.
  const held = useRef<{ readonly key: string; readonly graph: Graph } | undefined>(undefined);
  const loaded = useLoaded(
    key,
    async () => {
      const known = held.current?.key === key ? held.current.graph : undefined;
      const shape = known === undefined ? {} : { shape: known.shape };
      const answer = await drover.getSubmissionGraph({ submission: id, ...(part !== '' && { part }), ...shape });
      const graph = { ...known, ...answer } as Graph;
      held.current = { key, graph };
      return graph;
    },
    touches,
  );
  return (
    <section aria-labelledby="graph">
      <h2 id="graph">Graph</h2>
      {part !== '' && (
        <p>
          <a href={withQuery({ part: '' })}>All of it</a> › builds whose names begin with <code>{part}</code>
        </p>
      )}
      <WhenLoaded of={loaded}>
        {(graph) =>
          graph.builds === 0 ? (
            <p class="quiet">There are no builds.</p>
          ) : (
            <Shown key={part} graph={graph} path={path} />
          )
        }
      </WhenLoaded>
    </section>
  );
}

function Shown({ graph, path }: { readonly graph: Graph; readonly path: readonly string[] }) {
  const look = useMemo(() => lookOf(graph, path), [graph, path]);
  const { nodes, parts, edges, builds } = graph;
  return (
    <>
      {parts.length > 0 && (
        <p class="quiet">
          {count(builds)} builds, in {parts.length} parts by how their names begin
          {nodes.length > 0 && <> and {count(nodes.length)} by themselves</>}. A click opens a part.
        </p>
      )}
      <GraphView
        size={nodes.length + parts.length}
        edges={edges}
        look={look}
        open={(node) => {
          const { build } = nodes[node] ?? {};
          if (build !== undefined) goTo(buildLink(build));
          else goTo(withQuery({ part: parts[node - nodes.length]?.prefix ?? '' }), 'step');
        }}
        describe={(node) => <Words node={node} graph={graph} state={look.states[node] as string} />}
      />
    </>
  );
}

function Words({
  node,
  graph: { nodes, parts, edges, partStates, stateNames },
  state,
}: {
  readonly node: number;
  readonly graph: Graph;
  readonly state: string;
}) {
  const own = nodes[node];
  if (own === undefined) {
    const part = node - nodes.length;
    const counts = partStates[part] ?? [];
    return (
      <>
        <a href={withQuery({ part: parts[part]?.prefix ?? '' })}>{parts[part]?.prefix}…</a>:{' '}
        {counts
          .flatMap((builds, place) => (builds > 0 ? [`${count(builds)} ${stateNames[place]?.replace('-', ' ')}`] : []))
          .join(', ')}
      </>
    );
  }
  let [needs, needers] = [0, 0];
  for (let at = 0; at < edges.length; at += 2) {
    if (edges[at + 1] === node) needs++;
    if (edges[at] === node) needers++;
  }
  return (
    <>
      <Name base={own.derivation} href={buildLink(own.build)} /> <State state={state} />{' '}
      <span class="quiet">
        {needs > 0 ? `lines from ${needs} that it needs` : 'it needs none of these'},{' '}
        {needers > 0 ? `lines to ${needers} that ${needers === 1 ? 'needs' : 'need'} it` : 'none of these needs it'}
      </span>
    </>
  );
}
