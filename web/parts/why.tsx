import type { Operations } from 'drover/client';
import { useState } from 'preact/hooks';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { failureText, inOneLine } from '../words/failures.ts';
import { buildLink } from '../words/links.ts';
import { Name } from './name.tsx';
import { Said } from './said.tsx';
import { State } from './state.tsx';
import { WhenLoaded } from './when-loaded.tsx';

type Explained = Operations['explainBuild']['answer'];
type Waits = Extract<Explained, { reason: 'inputs' }>;

/** Why a build is not running, down to what it all hangs on: what it waits for can be opened, and again what that waits for. */
export function Why({ build }: { readonly build: string }) {
  const loaded = useLoaded(`why ${build}`, () => drover.explainBuild({ build }), touchesWaits);
  return (
    <section aria-labelledby="why">
      <h2 id="why">Why</h2>
      <WhenLoaded of={loaded}>
        {(why) => (
          <div class="panel">
            <p>
              <Said text={why.summary} />
            </p>
            {'remedy' in why && why.remedy !== undefined && (
              <p>
                What helps: <code>{why.remedy}</code>
              </p>
            )}
            {why.reason === 'inputs' && <Inputs why={why} above={[build]} />}
          </div>
        )}
      </WhenLoaded>
    </section>
  );
}

const touchesWaits = ({ stream }: { readonly stream: string }): boolean => /^(build|item|agent)-/.test(stream);

function Inputs({
  why: { inputs, total, blockers },
  above,
}: {
  readonly why: Waits;
  readonly above: readonly string[];
}) {
  return (
    <>
      {blockers.length > 0 && (
        <>
          <p>What it all hangs on:</p>
          <ul class="tree">
            {blockers.map((blocker) => (
              <li key={blocker.item}>
                <State state={blocker.state} />{' '}
                <Name
                  base={blocker.derivation ?? blocker.item}
                  href={blocker.build === undefined ? undefined : buildLink(blocker.build)}
                />
                {blocker.failure !== undefined && (
                  <span class="quiet"> {failureText(blocker.failure.class, inOneLine(blocker.failure.message))}</span>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
      <ul class="tree" aria-label="What it waits for">
        {inputs.map(({ item, state, build }) => (
          <li key={item}>
            <State state={state} /> <Name base={item} href={build === undefined ? undefined : buildLink(build)} />
            {build !== undefined && !above.includes(build) && (state === 'queued' || state === 'blocked') && (
              <Below build={build} above={above} />
            )}
          </li>
        ))}
      </ul>
      {total > inputs.length && <p class="quiet">and {total - inputs.length} more</p>}
    </>
  );
}

/** What another build waits for, once somebody wants to know. */
function Below({ build, above }: { readonly build: string; readonly above: readonly string[] }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      {' '}
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {isOpen ? 'Close' : 'Why?'}
      </button>
      {isOpen && <Opened build={build} above={above} />}
    </>
  );
}

function Opened({ build, above }: { readonly build: string; readonly above: readonly string[] }) {
  const loaded = useLoaded(`why ${build}`, () => drover.explainBuild({ build }), touchesWaits);
  return (
    <WhenLoaded of={loaded}>
      {(why) => (
        <div>
          <p>
            <Said text={why.summary} />
          </p>
          {why.reason === 'inputs' && <Inputs why={why} above={[...above, build]} />}
        </div>
      )}
    </WhenLoaded>
  );
}
