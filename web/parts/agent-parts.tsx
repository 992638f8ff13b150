import type { Operations } from 'drover/client';
import { useEffect } from 'preact/hooks';
import { moment } from '../router.ts';
import { buildLink } from '../words/links.ts';
import { Bar } from './bar.tsx';
import { Since, Time } from './time.tsx';

export type Agent = Operations['listAgents']['answer']['rows'][number];

/** Heartbeats are no events: what they say is asked for so often. */
const heartbeatMs = 10_000;

/** Loads again now and then, while the page is seen. */
export function useHeartbeats(reload: () => void): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden && moment() === undefined) reload();
    }, heartbeatMs);
    return () => clearInterval(timer);
  }, [reload]);
}

/** `3 of 4`, and how many more wait there for a slot, as after a start with fewer. */
export function Slots({ agent: { name, running, abilities } }: { readonly agent: Agent }) {
  const slots = abilities?.slots ?? 0;
  const busy = Math.min(running.length, slots);
  return (
    <>
      {busy} of {slots}
      {running.length > busy && <>, {running.length - busy} waiting there</>}
      <Bar
        label={`slots of ${name}`}
        shares={[
          { kind: 'work', name: 'busy', value: busy },
          { kind: 'none', name: 'free', value: slots - busy },
        ]}
      />
    </>
  );
}

export function Ago({ at }: { readonly at: number }) {
  return (
    <>
      <Since at={at} /> ago
    </>
  );
}

export function LastFailure({ agent: { recent } }: { readonly agent: Agent }) {
  const { attempts, failed, lastFailure } = recent;
  return (
    <>
      {attempts > 0 && (
        <div>
          {failed} of {attempts} failed
        </div>
      )}
      {lastFailure !== undefined && (
        <div>
          <a href={`${buildLink(lastFailure.build)}?attempt=${lastFailure.attempt}`}>{lastFailure.class}</a> at{' '}
          <Time at={lastFailure.at} />
        </div>
      )}
    </>
  );
}
