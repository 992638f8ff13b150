import { type DroverEvent, eventName } from 'drover/client';
import { useCallback, useMemo, useState } from 'preact/hooks';
import { agentLink } from '../words/links.ts';
import { thingOf } from '../words/things.ts';
import { Name } from './name.tsx';
import { Then } from './then.tsx';
import { Time } from './time.tsx';

/** As much of what an event says as is shown: some have lists of thousands. */
const mostText = 50_000;

/** Events, each of which opens to all that it says. */
export function EventTable({
  events,
  empty = 'There are none.',
}: {
  readonly events: readonly DroverEvent[];
  readonly empty?: string;
}) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback(
    (id: string): void =>
      setOpen((before) => {
        const next = new Set(before);
        if (!next.delete(id)) next.add(id);
        return next;
      }),
    [],
  );
  if (events.length === 0) return <p class="quiet">{empty}</p>;
  return (
    <div class="scroll">
      <table class="events">
        <thead>
          <tr>
            <th>When</th>
            <th>Event</th>
            <th>Of</th>
            <th>By</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <Row key={event.id} event={event} isOpen={open.has(event.id)} toggle={toggle} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Made once: hundreds stand still while others come. */
function Row({
  event,
  isOpen,
  toggle,
}: {
  readonly event: DroverEvent;
  readonly isOpen: boolean;
  readonly toggle: (id: string) => void;
}) {
  return useMemo(
    () => (
      <>
        <tr>
          <td class="when">
            <Time at={Date.parse(event.time)} />{' '}
            <Then position={event.position} href={thingOf(event.stream, event.data).href ?? '/'} />
          </td>
          <td>
            <button type="button" class="link" aria-expanded={isOpen} onClick={() => toggle(event.id)}>
              {eventName(event.type)}
            </button>
          </td>
          <td class="name">
            <Of event={event} />
          </td>
          <td>
            <By actor={event.actor} />
          </td>
        </tr>
        {isOpen && (
          <tr>
            <td colSpan={4}>
              <Whole event={event} />
            </td>
          </tr>
        )}
      </>
    ),
    [event, isOpen, toggle],
  );
}

function Of({ event: { stream, data } }: { readonly event: DroverEvent }) {
  const { text, href } = thingOf(stream, data);
  if (/^[0-9a-z]{32}-/.test(text)) return <Name base={text} href={href} />;
  return href === undefined ? <span>{text}</span> : <a href={href}>{text}</a>;
}

function By({ actor }: { readonly actor: string }) {
  return actor.startsWith('agent-') ? (
    <a href={agentLink(actor.slice('agent-'.length))}>{actor}</a>
  ) : (
    <span>{actor}</span>
  );
}

function Whole({ event: { id, position, correlation, causation, version, data } }: { readonly event: DroverEvent }) {
  const text = JSON.stringify(data, null, 2);
  return (
    <>
      <div class="quiet">
        <code>{id}</code> at <code>{position}</code>, version {version}
        {correlation !== undefined && (
          <>
            , belongs to <a href={`/events?correlation=${encodeURIComponent(correlation)}`}>{correlation}</a>
          </>
        )}
        {causation !== undefined && (
          <>
            , because of <code>{causation}</code>
          </>
        )}
      </div>
      {/* What overflows can be scrolled with the keys, too. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: see above */}
      <section class="json" tabIndex={0} aria-label={`what ${id} says`}>
        <pre>{text.slice(0, mostText)}</pre>
      </section>
      {text.length > mostText && (
        <p class="quiet">
          and {text.length - mostText} more characters: <code>drover events show {id}</code>
        </p>
      )}
    </>
  );
}
