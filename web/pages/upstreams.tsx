import type { DroverEvent, Operations } from 'drover/client';
import { useState } from 'preact/hooks';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Action } from '../parts/action.tsx';
import { Facts } from '../parts/facts.tsx';
import { State } from '../parts/state.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { mayAct } from '../session/session.ts';
import { bytes, count, duration } from '../words/format.ts';
import { upstreamLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';

type Upstream = Operations['getUpstream']['answer'];

const touches = ({ type }: DroverEvent): boolean =>
  type === 'drover.StoreItemFoundUpstream' || type === 'drover.StoreItemLostUpstream';

/** Other caches whose substitutes count as available, the one that is asked first at the head. */
export function UpstreamsPage({ self }: PageProps) {
  const loaded = useLoaded('upstreams', async () => (await drover.listUpstreams()).rows, touches);
  return (
    <>
      <h1>Upstreams</h1>
      <WhenLoaded of={loaded}>
        {(rows) =>
          rows.length === 0 ? (
            <p class="quiet">There are none: tables [[upstream]] of the configuration name them.</p>
          ) : (
            rows.map((upstream) => (
              <section key={upstream.name} aria-labelledby={`upstream-${upstream.name}`}>
                <h2 id={`upstream-${upstream.name}`}>
                  <a href={upstreamLink(upstream.name)}>{upstream.name}</a>
                </h2>
                <UpstreamFacts upstream={upstream} />
                {mayAct(self, 'submit') && <Check upstream={upstream.name} reload={loaded.reload} />}
              </section>
            ))
          )
        }
      </WhenLoaded>
    </>
  );
}

/** One of them. */
export function UpstreamPage({ self, id }: PageProps) {
  const loaded = useLoaded(`upstream ${id}`, () => drover.getUpstream({ upstream: id }), touches);
  return (
    <>
      <h1>{id}</h1>
      <WhenLoaded of={loaded}>
        {(upstream) => (
          <>
            <UpstreamFacts upstream={upstream} />
            {mayAct(self, 'submit') && <Check upstream={id} reload={loaded.reload} />}
          </>
        )}
      </WhenLoaded>
    </>
  );
}

function UpstreamFacts({ upstream }: { readonly upstream: Upstream }) {
  const { url, priority, mode, publicKeys, state, restsSeconds, error, items, asked, rejection } = upstream;
  return (
    <Facts
      facts={{
        State: (
          <>
            <State state={state} />
            {restsSeconds !== undefined && `, for ${duration(restsSeconds * 1000)} still`}
          </>
        ),
        'Last failure': error,
        Address: <code>{url}</code>,
        Priority: priority,
        Agents: mode === 'proxy' ? 'get what it has through the coordinator' : 'fetch from it themselves',
        'Only it has': `${count(items)} items`,
        Asked: `had it ${count(asked.found)} times, had it not ${count(asked.absent)}, was not believed ${count(asked.rejected)}, gave no answer ${count(asked.failed)}`,
        'Not believed': rejection,
        Keys: publicKeys.map((key) => (
          <div key={key}>
            <code>{key}</code>
          </div>
        )),
        'Remembered for': `${duration(upstream.ttlSeconds * 1000)} where it has something, ${duration(upstream.negativeTtlSeconds * 1000)} where not`,
      }}
    />
  );
}

/** Asks it now, for what it is and for items. */
function Check({ upstream, reload }: { readonly upstream: string; readonly reload: () => void }) {
  const [text, setText] = useState('');
  const id = `check-${upstream}`;
  return (
    <div class="fields">
      <label for={id}>
        Items to ask for, if any
        <input id={id} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <Action
        name={`Check ${upstream}`}
        act={async () => {
          const items = text.split(/[\s,]+/).flatMap((path) => path.replace(/^.*\//, '') || []);
          const found = await drover.checkUpstream({ upstream, items });
          const said = found.ok ? `It answers, in ${found.milliseconds} ms.` : `It does not: ${found.problem ?? ''}`;
          const each = found.items.map(
            ({ path, answer, narSize, problem }) =>
              `${path}: ${answer}${narSize === undefined ? '' : `, ${bytes(narSize)}`}${problem === undefined ? '' : ` (${problem})`}`,
          );
          return [said, ...each].join(' ');
        }}
        done={reload}
      />
    </div>
  );
}
