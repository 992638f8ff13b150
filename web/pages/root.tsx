import { DroverProblem } from 'drover/client';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Action } from '../parts/action.tsx';
import { Facts } from '../parts/facts.tsx';
import { Happening } from '../parts/happening.tsx';
import { Name } from '../parts/name.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { mayAct } from '../session/session.ts';
import { count } from '../words/format.ts';
import { itemLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';
import { sourceOf } from './roots.tsx';

/** More would make the page slow; the command line has all. */
const most = 1000;

/** One root, with all that it keeps. */
export function RootPage({ self, id }: PageProps) {
  const loaded = useLoaded(
    `root ${id}`,
    () => drover.getRoot({ root: id }),
    ({ stream }) => stream === `root-${id}` || stream.startsWith('item-'),
  );
  // What a rule keeps goes with the rule alone.
  const mayRemove = mayAct(self, 'submit') && loaded.value?.source !== 'config';
  return (
    <>
      <h1>{id}</h1>
      {mayRemove && (
        <div class="actions">
          <Action
            offered={loaded.value !== undefined}
            name="Remove this root"
            confirm={`Keep nothing under the name ${id} any more? Nothing is deleted by that: the next collection takes what nothing else needs.`}
            act={async () => {
              await drover.removeRoot({ root: id });
              return 'Removed: it keeps nothing any more.';
            }}
            done={loaded.reload}
          />
        </div>
      )}
      {loaded.error instanceof DroverProblem && loaded.error.code === 'unknown-root' ? (
        <p>There is no root of this name: it was removed, or never was.</p>
      ) : (
        <WhenLoaded of={loaded}>
          {({ source, targets, unavailable, addedAt, addedBy, until, kept }) => (
            <>
              <Facts
                facts={{
                  'Kept by': source === 'config' ? 'a rule [[keep]] of the configuration' : sourceOf(source),
                  Keeps: `${count(targets)}${unavailable > 0 ? `, ${count(unavailable)} of them not available` : ''}`,
                  'Added last': (
                    <>
                      <Time at={addedAt} /> by {addedBy}
                    </>
                  ),
                  'First expires': until === undefined ? 'never' : <Time at={until} />,
                }}
              />
              <h2>Keeps</h2>
              <Table
                rows={kept.slice(0, most)}
                keyOf={({ item }) => item}
                columns={[
                  { title: 'Item', cell: ({ item }) => <Name base={item} href={itemLink(item)} /> },
                  { title: 'State', cell: ({ state }) => <State state={state} /> },
                  {
                    title: 'Until',
                    class: 'when',
                    cell: ({ until: end }) => (end === undefined ? 'for good' : <Time at={end} />),
                  },
                  ...(mayRemove && kept.length > 1
                    ? [
                        {
                          title: 'What to do',
                          cell: ({ item }: { readonly item: string }) => (
                            <Action
                              name="Let go"
                              label={`Let go of ${item}`}
                              confirm={`Keep ${item} under the name ${id} no more?`}
                              act={async () => {
                                await drover.removeRoot({ root: id, target: item });
                                return 'It is kept no more by this root.';
                              }}
                              done={loaded.reload}
                            />
                          ),
                        },
                      ]
                    : []),
                ]}
              />
              {kept.length > most && (
                <p class="quiet">
                  and {count(kept.length - most)} more: <code>drover roots show {id}</code>
                </p>
              )}
            </>
          )}
        </WhenLoaded>
      )}
      <Happening stream={`root-${id}`} />
    </>
  );
}
