import type { DroverEvent, Operations } from 'drover/client';
import { useRef, useState } from 'preact/hooks';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { buildLink, derivationLink, itemLink } from '../words/links.ts';
import { Name } from './name.tsx';
import { State } from './state.tsx';
import { Table } from './table.tsx';
import { WhenLoaded } from './when-loaded.tsx';

type Input = Operations['listBuildInputs']['answer']['inputs'][number];

const few = 20;
/** As many as the API gives at once. */
const most = 1000;

/** What a build needs, and what has become of it. */
export function Inputs({ build }: { readonly build: string }) {
  const [limit, setLimit] = useState(few);
  /** Streams of what is shown, and its derivations: all else says nothing of it. */
  const shown = useRef<ReadonlySet<string>>(new Set());
  const touches = ({ stream, data }: DroverEvent): boolean =>
    shown.current.has(stream) || ('derivation' in data && shown.current.has(String(data.derivation)));
  async function load() {
    const found = await drover.listBuildInputs({ build, limit });
    shown.current = new Set(found.inputs.flatMap(namesOf));
    return found;
  }
  const loaded = useLoaded(`inputs ${build} ${limit}`, load, touches);
  return (
    <section aria-labelledby="inputs">
      <h2 id="inputs">Inputs</h2>
      <WhenLoaded of={loaded}>
        {({ inputs, total, next }) => (
          <>
            <Table
              rows={inputs}
              keyOf={(input) => input.derivation ?? input.items.map(({ path }) => path).join()}
              empty="It needs nothing."
              columns={[
                { title: 'Input', cell: (input) => <Needed input={input} /> },
                { title: 'State', cell: ({ state }) => state !== undefined && <State state={state} /> },
                { title: 'Items', class: 'wide', cell: ({ items }) => <Items items={items} /> },
              ]}
            />
            {next !== undefined && (
              <p>
                {limit === few ? (
                  <button type="button" onClick={() => setLimit(most)}>
                    {total <= most ? `All ${total}` : `The first ${most} of ${total}`}
                  </button>
                ) : (
                  `The first ${most} of ${total}.`
                )}
              </p>
            )}
          </>
        )}
      </WhenLoaded>
    </section>
  );
}

function Needed({ input: { derivation, build, items } }: { readonly input: Input }) {
  if (derivation !== undefined)
    return <Name base={derivation} href={build === undefined ? derivationLink(derivation) : buildLink(build)} />;
  return (
    <>
      {items.map(({ path }) => (
        <Name key={path} base={path} />
      ))}{' '}
      <span class="quiet">a source</span>
    </>
  );
}

function Items({ items }: Pick<Input, 'items'>) {
  return (
    <>
      {items.map(({ output, path, available }) => (
        <div key={path}>
          {output !== undefined && `${output}: `}
          {available ? <a href={itemLink(path)}>{path}</a> : <span>{path}, not there</span>}
        </div>
      ))}
    </>
  );
}

const namesOf = ({ derivation, build, items }: Input): readonly string[] => [
  ...(derivation === undefined ? [] : [derivation]),
  ...(build === undefined ? [] : [`build-${build}`]),
  ...items.map(({ path }) => `item-${path.slice(0, path.indexOf('-'))}`),
];
