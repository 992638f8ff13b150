import { useState } from 'preact/hooks';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Action } from '../parts/action.tsx';
import { Facts } from '../parts/facts.tsx';
import { Happening } from '../parts/happening.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { boundsOfLog, pointBefore } from '../past/moments.ts';
import { mayAct } from '../session/session.ts';
import { count } from '../words/format.ts';
import { eventsLink } from '../words/links.ts';
import { placeIn } from '../words/things.ts';
import type { PageProps } from './all.tsx';
import { type Hook, Lag } from './hooks.tsx';

/** One hook: what it delivers where, how far it is, what fails and what is parked. */
export function HookPage({ self, id }: PageProps) {
  const loaded = useLoaded(
    `hook ${id}`,
    () => drover.getHook({ hook: id }),
    () => true,
  );
  return (
    <>
      <h1>{id}</h1>
      <WhenLoaded of={loaded}>
        {(hook) => (
          <>
            <HookFacts hook={hook} />
            {mayAct(self, 'admin') && <Actions hook={hook} reload={loaded.reload} />}
            <Held title="Failing" hook={hook} mayAct={mayAct(self, 'admin')} reload={loaded.reload} />
            <Held title="Parked" hook={hook} mayAct={mayAct(self, 'admin')} reload={loaded.reload} />
            {mayAct(self, 'admin') && (
              <>
                <Replay hook={id} reload={loaded.reload} />
                <Test hook={hook} />
              </>
            )}
          </>
        )}
      </WhenLoaded>
      <Happening stream={`hook-${id}`} />
    </>
  );
}

function HookFacts({ hook }: { readonly hook: Hook }) {
  const { state, source, definition, place, waits, delivered, inFlight, lastFailure } = hook;
  const { on, where = {}, concurrency, timeoutSeconds, retry, order, target } = definition;
  const { kind, ...leads } = target as { readonly kind: string };
  return (
    <Facts
      facts={{
        State: <State state={state} />,
        'Waits for': waits,
        Owes: <Lag hook={hook} />,
        Delivered: count(delivered),
        'On its way':
          inFlight.length === 0
            ? undefined
            : inFlight.map(({ event, attempt }) => (
                <div key={event}>
                  <code>{event}</code>, attempt {attempt}
                </div>
              )),
        Place: place.after === undefined ? (place.before ?? 'the start') : <code>{place.after}</code>,
        On: on.join(', '),
        ...Object.fromEntries(
          Object.entries(where).map(([name, value]) => [
            `Where ${name}`,
            Array.isArray(value) ? value.join(' or ') : typeof value === 'string' ? value : JSON.stringify(value),
          ]),
        ),
        To: kind,
        ...Object.fromEntries(
          Object.entries(leads).map(([name, value]) => [
            `To: ${name}`,
            <code key={name}>{typeof value === 'string' ? value : JSON.stringify(value)}</code>,
          ]),
        ),
        How: `${order === 'all' ? 'all in order' : 'each stream in order'}, ${concurrency} at a time, ${timeoutSeconds} s each, ${retry.maxAttempts} attempts ${retry.baseSeconds} to ${retry.maxSeconds} s apart`,
        'Defined by': source === 'config' ? 'the configuration' : 'the API',
        'Last failure':
          lastFailure === undefined ? undefined : (
            <>
              <Time at={lastFailure.at} />, <code>{lastFailure.event}</code>
              {lastFailure.error !== undefined && `: ${lastFailure.error}`}
            </>
          ),
      }}
    />
  );
}

function Actions({ hook: { name, state, counts }, reload }: { readonly hook: Hook; readonly reload: () => void }) {
  return (
    <div class="actions">
      <Action
        offered={state === 'paused'}
        name="Resume"
        act={async () => {
          await drover.resumeHook({ hook: name });
          return 'It goes on.';
        }}
        done={reload}
      />
      <Action
        offered={state !== 'paused'}
        name="Pause"
        act={async () => {
          await drover.pauseHook({ hook: name });
          return 'It delivers nothing until it is resumed.';
        }}
        done={reload}
      />
      <Action
        offered={counts.parked > 0}
        name="Retry all that is parked"
        act={async () =>
          `${count((await drover.retryParkedHookEvents({ hook: name })).retried)} will be delivered again.`
        }
        done={reload}
      />
      <Action
        offered={counts.parked > 0}
        name="Skip all that is parked"
        confirm={`Go on without ${counts.parked === 1 ? 'the event that is' : `the ${counts.parked} events that are`} parked? Whoever listens never gets them.`}
        act={async () => `${count((await drover.skipHookEvents({ hook: name })).skipped)} skipped.`}
        done={reload}
      />
    </div>
  );
}

/** Events that fail and will be tried again, or that wait for somebody. */
function Held({
  title,
  hook: { name, failing, parked, counts },
  mayAct: mayRetry,
  reload,
}: {
  readonly title: 'Failing' | 'Parked';
  readonly hook: Hook;
  readonly mayAct: boolean;
  readonly reload: () => void;
}) {
  const [rows, all] = title === 'Parked' ? [parked, counts.parked] : [failing, counts.failing];
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby={title}>
      <h2 id={title}>{title}</h2>
      <Table
        rows={rows}
        keyOf={({ event }) => event}
        columns={[
          {
            title: 'Event',
            cell: ({ event }) => <a href={`${eventsLink(event.split('@')[0] as string)}&back=10000`}>{event}</a>,
          },
          { title: 'Of', class: 'when', cell: ({ at }) => <Time at={at} /> },
          { title: 'Attempts', class: 'number', cell: ({ attempts }) => attempts },
          { title: 'Error', cell: ({ error }) => error },
          title === 'Failing'
            ? { title: 'Next', class: 'when', cell: ({ next }) => next !== undefined && <Time at={next} /> }
            : {
                title: 'What to do',
                cell: ({ event }) =>
                  mayRetry && (
                    <Action
                      name="Retry"
                      label={`Retry ${event}`}
                      act={async () => {
                        await drover.retryParkedHookEvents({ hook: name, events: [event] });
                        return 'It will be delivered again.';
                      }}
                      done={reload}
                    />
                  ),
              },
        ]}
      />
      {all > rows.length && <p class="quiet">and {count(all - rows.length)} more</p>}
    </section>
  );
}

function Replay({ hook, reload }: { readonly hook: string; readonly reload: () => void }) {
  const [place, setPlace] = useState('');
  return (
    <section aria-labelledby="replay">
      <h2 id="replay">Replay</h2>
      <div class="fields">
        <label for="replay-from">
          After a position, an event, a time (20:00, 2026-11-25T20:00, 2h), start or now
          <input id="replay-from" value={place} onInput={(event) => setPlace(event.currentTarget.value)} />
        </label>
        <Action
          name="Replay"
          disabled={place.trim() === ''}
          confirm={`Set the place of ${hook} to ${place.trim()}? All that comes after it is delivered, again where it was before; what is between is left out if that is further on.`}
          act={async () => {
            const from = await placeOf(place);
            await drover.replayHook({ hook, from });
            return from === 'start' || from === 'now' ? `It goes on from ${from}.` : `It goes on after ${from}.`;
          }}
          done={reload}
        />
      </div>
    </section>
  );
}

/** What the API takes for a place; of a time, the last event before it. */
async function placeOf(text: string): Promise<string> {
  const place = placeIn(text, Date.now());
  if ('from' in place) return place.from;
  const bounds = await boundsOfLog();
  if (bounds.first.at !== undefined && place.time <= bounds.first.at) return 'start';
  return (await pointBefore(place.time, bounds)).position;
}

function Test({ hook: { name, parked, failing, lastFailure } }: { readonly hook: Hook }) {
  const [event, setEvent] = useState('');
  const usual = parked[0]?.event ?? failing[0]?.event ?? lastFailure?.event ?? '';
  const chosen = event.trim() === '' ? usual : event.trim();
  return (
    <section aria-labelledby="test">
      <h2 id="test">Test</h2>
      <div class="fields">
        <label for="test-event">
          Event (STREAM@REVISION)
          <input
            id="test-event"
            value={event}
            placeholder={usual}
            onInput={(change) => setEvent(change.currentTarget.value)}
          />
        </label>
        <Action
          name="Deliver it once"
          disabled={chosen === ''}
          act={async () => {
            const { ok, matches, ms, note, error } = await drover.testHook({ hook: name, event: chosen });
            const came = !ok
              ? `Failed after ${ms} ms: ${error ?? ''}`
              : note === undefined
                ? `Delivered in ${ms} ms.`
                : `Nothing to deliver: ${note}`;
            return matches ? came : `${came} The hook would not get this event by itself.`;
          }}
        />
      </div>
    </section>
  );
}
