import type { DroverEvent, Operations } from 'drover/client';
import { Fragment } from 'preact';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { DeleteItem } from '../parts/delete-item.tsx';
import { EventList } from '../parts/event-list.tsx';
import { Facts } from '../parts/facts.tsx';
import { Name } from '../parts/name.tsx';
import { Said } from '../parts/said.tsx';
import { State } from '../parts/state.tsx';
import { Time } from '../parts/time.tsx';
import { useNameAsTitle } from '../parts/title.ts';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { mayAct } from '../session/session.ts';
import { bytes, count, splitName } from '../words/format.ts';
import { agentLink, buildLink, derivationLink, itemLink, rootLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';

type Item = Operations['getItem']['answer'];

/** One store item: what it is, what it refers to, what keeps it, and all that happened to it. */
export function ItemPage({ self, id }: PageProps) {
  const stream = `item-${id.slice(0, 32)}`;
  const isOwn = (event: DroverEvent): boolean => event.stream === stream;
  const item = useLoaded(`item ${id}`, () => drover.getItem({ item: id }), isOwn);
  const { hash, name } = splitName(id);
  useNameAsTitle(`${name}, item ${hash}`);
  return (
    <>
      <h1>
        <Name base={id} />
      </h1>
      <WhenLoaded of={item}>{(found) => <ItemFacts item={found} />}</WhenLoaded>
      {mayAct(self, 'admin') && <DeleteItem item={id} isThere={item.value !== undefined} done={item.reload} />}
      <WhyItem item={id} />
      {item.value !== undefined && <References item={item.value} />}
      <EventList stream={stream} />
    </>
  );
}

function ItemFacts({ item }: { readonly item: Item }) {
  const { path, storeDir, narHash, narSize, deriver, ca, file, signatures, guixSignature, unpublished } = item;
  return (
    <Facts
      facts={{
        State: <State state={unpublished === undefined ? 'present' : 'unpublished'} />,
        'Being deleted':
          unpublished === undefined ? undefined : (
            <>
              since <Time at={unpublished.at} /> by {unpublished.byName ?? unpublished.by}: {unpublished.reason}. Its
              bytes go at <Time at={unpublished.until} />.
            </>
          ),
        Path: <code>{storeDir === undefined ? path : `${storeDir}/${path}`}</code>,
        Deriver:
          deriver === undefined ? undefined : (
            <>
              <Name base={deriver} href={derivationLink(deriver)} />,{' '}
              <a href={`/items?deriver=${encodeURIComponent(deriver)}`}>all that it made</a>
            </>
          ),
        NAR: (
          <>
            {bytes(narSize)}, <code>{narHash}</code>
          </>
        ),
        File: (
          <>
            {bytes(file.size)} ({file.compression === 'none' ? 'not compressed' : file.compression}),{' '}
            <code>{file.hash}</code>
          </>
        ),
        'Content address': ca === undefined ? undefined : <code>{ca}</code>,
        Signatures: [...signatures, ...(guixSignature === undefined ? [] : [guixSignature])].map((signature) => (
          <div key={signature}>
            <code>{signature}</code>
          </div>
        )),
        Added: (
          <>
            <Time at={item.addedAt} /> by <AddedBy row={item} />
          </>
        ),
      }}
    />
  );
}

/** Whoever has added it: an agent that built it, or a token. */
export function AddedBy({ row: { addedBy, addedByName } }: { readonly row: Pick<Item, 'addedBy' | 'addedByName'> }) {
  if (!addedBy.startsWith('agent-')) return <span>{addedByName ?? addedBy}</span>;
  const agent = addedBy.slice('agent-'.length);
  return <a href={agentLink(agent)}>{agent}</a>;
}

/** What keeps it from being collected, from there down to it; also of one that is gone. */
function WhyItem({ item }: { readonly item: string }) {
  const loaded = useLoaded(
    `why item ${item}`,
    () => drover.whyItem({ item }),
    ({ stream }) => /^(item|root|build)-/.test(stream),
  );
  return (
    <section aria-labelledby="keeps">
      <h2 id="keeps">What keeps it</h2>
      <WhenLoaded of={loaded}>
        {({ summary, root, build, chain, reason, nextCollection }) => (
          <div class="panel">
            <p>
              <Said text={summary} />
            </p>
            {root !== undefined && (
              <p>
                Root <a href={rootLink(root)}>{root}</a>
              </p>
            )}
            {build !== undefined && (
              <p>
                Build <a href={buildLink(build)}>{build}</a>
              </p>
            )}
            {chain.length > 1 && (
              <p>
                {chain.map((path, index) => (
                  <Fragment key={path}>
                    {index > 0 && ' refers to '}
                    <Name base={path} href={path === item ? undefined : itemLink(path)} />
                  </Fragment>
                ))}
              </p>
            )}
            {/* Where nothing keeps it, that is said above. */}
            {reason !== undefined && nextCollection !== undefined && (
              <p class="quiet">
                The next collection comes at <Time at={nextCollection} />.
              </p>
            )}
          </div>
        )}
      </WhenLoaded>
    </section>
  );
}

const mostReferences = 200;

function References({ item: { path, references } }: { readonly item: Item }) {
  return (
    <section aria-labelledby="references">
      <h2 id="references">Refers to {references.length === 0 ? 'nothing' : `${count(references.length)}`}</h2>
      <ul class="bare">
        {references.slice(0, mostReferences).map((reference) => (
          <li key={reference}>
            {reference === path ? <span>itself</span> : <Name base={reference} href={itemLink(reference)} />}
          </li>
        ))}
      </ul>
      {references.length > mostReferences && <p class="quiet">and {references.length - mostReferences} more</p>}
    </section>
  );
}
