import type { Operations } from 'drover/client';
import { useRef, useState } from 'preact/hooks';
import { drover } from '../live/connection.ts';
import { sessionEnded } from '../session/session-end.ts';
import { bytes, count } from '../words/format.ts';
import { buildLink, itemLink, rootLink } from '../words/links.ts';
import { Name } from './name.tsx';
import { Problem } from './problem.tsx';
import { Reason } from './reason.tsx';
import { Time } from './time.tsx';

type Report = Operations['deleteItems']['answer'];

/** Deletes an item in two steps: first what that would mean is looked up, without changing anything, and shown. */
export function DeleteItem({
  item,
  isThere,
  done,
}: {
  readonly item: string;
  /** Whether there is something to delete: what was done stays told when there is not. */
  readonly isThere: boolean;
  readonly done: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [plan, setPlan] = useState<Report>();
  const [reason, setReason] = useState('');
  const [isNow, setNow] = useState(false);
  const [state, setState] = useState<{ busy?: boolean; report?: Report; error?: Error }>({});

  async function ask<Answer>(run: () => Promise<Answer>, then: (answer: Answer) => void): Promise<void> {
    setState({ busy: true });
    try {
      const answer = await run();
      setState({});
      then(answer);
    } catch (error) {
      dialog.current?.close();
      setState(sessionEnded(error) ? {} : { error: error as Error });
    }
  }
  const preview = (): Promise<void> =>
    ask(
      () => drover.deleteItems({ items: [item], preview: true }),
      (found) => {
        setPlan(found);
        dialog.current?.showModal();
      },
    );
  const confirm = (): Promise<void> =>
    ask(
      () =>
        drover.deleteItems({
          items: [item],
          ...(reason.trim() !== '' && { reason: reason.trim() }),
          ...(isNow && { now: true }),
          // What was not needed when it was looked at is not deleted if somebody needs it since.
          ...((plan?.needed ?? 0) > 0 && { force: true }),
        }),
      (report) => {
        dialog.current?.close();
        setState({ report });
        done();
      },
    );

  return (
    <div class="actions">
      {isThere && (
        <button type="button" disabled={state.busy} onClick={() => void preview()}>
          Delete…
        </button>
      )}
      <dialog ref={dialog} aria-labelledby="delete-title">
        <h2 id="delete-title">Delete this item?</h2>
        {plan !== undefined && <Plan plan={plan} />}
        <div class="fields">
          <Reason id="delete-reason" value={reason} change={setReason} />
          <label for="delete-now" class="check">
            <input
              id="delete-now"
              type="checkbox"
              checked={isNow}
              onChange={(event) => setNow(event.currentTarget.checked)}
            />
            Its bytes at once, too: clients that know of it find nothing
          </label>
        </div>
        <div class="actions">
          <button type="button" disabled={state.busy} onClick={() => void confirm()}>
            {(plan?.needed ?? 0) > 0 ? 'Delete it all the same' : 'Delete it'}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Not now
          </button>
        </div>
      </dialog>
      {state.report !== undefined && <Deleted report={state.report} />}
      {state.error !== undefined && <Problem error={state.error} />}
    </div>
  );
}

/** Who needs it, what is built again then, and how much is freed. */
function Plan({ plan: { needs, needed, rebuilds, derivations, sources, freed } }: { readonly plan: Report }) {
  return (
    <>
      {needed === 0 ? (
        <p>Nobody needs it. {bytes(freed)} will be freed.</p>
      ) : (
        <>
          <p class="bad">It is needed:</p>
          <ul class="bare">
            {needs.flatMap(({ by }) =>
              by.map((one) => (
                <li key={one.text}>
                  {one.kind === 'root' && one.root !== undefined ? (
                    <>
                      the root <a href={rootLink(one.root)}>{one.root}</a> keeps it
                    </>
                  ) : one.kind === 'item' && one.item !== undefined ? (
                    <>
                      <Name base={one.item} href={itemLink(one.item)} /> refers to it
                    </>
                  ) : one.build !== undefined ? (
                    <a href={buildLink(one.build)}>{one.text}</a>
                  ) : (
                    one.text
                  )}
                </li>
              )),
            )}
          </ul>
          <p>{bytes(freed)} would be freed.</p>
        </>
      )}
      {rebuilds > 0 && (
        <>
          <p>
            {rebuilds === 1 ? 'One derivation' : `${count(rebuilds)} derivations`} would be built again, as builds or
            roots need what {rebuilds === 1 ? 'it makes' : 'they make'}:
          </p>
          <ul class="bare">
            {derivations.slice(0, 20).map((derivation) => (
              <li key={derivation}>
                <Name base={derivation} />
              </li>
            ))}
          </ul>
          {rebuilds > 20 && <p class="quiet">and {count(rebuilds - 20)} more</p>}
        </>
      )}
      {sources.length > 0 && (
        <p class="bad">
          No known derivation makes what builds need here; they wait until somebody submits it again:{' '}
          {sources.slice(0, 20).join(', ')}
        </p>
      )}
    </>
  );
}

function Deleted({ report: { items, freed, rebuilds } }: { readonly report: Report }) {
  const until = items[0]?.until;
  return (
    <output>
      {until === undefined ? (
        `Deleted: ${bytes(freed)} freed.`
      ) : (
        <>
          Unpublished: nobody gets it any more. {bytes(freed)} will be freed at <Time at={until} />, when clients have
          forgotten what the cache said.
        </>
      )}
      {rebuilds > 0 && ` ${rebuilds === 1 ? 'One derivation is' : `${count(rebuilds)} derivations are`} built again.`}
    </output>
  );
}
