import type { Application, VerificationStatus } from '../../../coordinator/application.ts';
import type { Views } from '../../../coordinator/ports/views.ts';
import type { Metrics, Reading } from './registry.ts';

/** Figures of the farm, of the agent links and of the process, read when `/metrics` is asked for. */
export function addFarmMetrics(
  metrics: Metrics,
  application: Pick<Application, 'status' | 'readiness' | 'agents' | 'upstreams'>,
  views: Pick<Views, 'lag'>,
  links: () => { readonly open: number; readonly unacknowledged: number },
  version: string,
): void {
  const status = metrics.shared(() => application.status());
  const upstreams = metrics.shared(() => application.upstreams());
  const agents = metrics.shared(() => application.agents().filter(({ state }) => state !== 'retired'));
  const one = (read: () => number) => (): Reading => [[{}, read()]];
  const each = (label: string, read: () => Readonly<Record<string, number>>) => (): Reading =>
    Object.entries(read()).map(([key, value]) => [{ [label]: key }, value] as const);

  metrics.gauge('drover_info', 'Version of the coordinator.', () => [[{ version }, 1]]);
  metrics.gauge(
    'drover_ready',
    'Whether the coordinator takes writes.',
    one(() => (application.readiness().ready ? 1 : 0)),
  );
  metrics.gauge(
    'drover_builds',
    'Builds by state; each is in one.',
    each('state', () => ({ ...status().builds })),
  );
  metrics.gauge(
    'drover_blocked_builds',
    'Builds that nothing under way can set going, by what blocks them at the root; one that several things block is in several.',
    each('cause', () => status().blocked),
  );
  metrics.gauge(
    'drover_ready_builds',
    'Builds by system that could run now, did an agent have room; those of which no agent takes their kind included. Systems beyond 24 that no agent has named are one, others.',
    each('system', () => {
      const { ready, unattended } = status();
      return Object.fromEntries(
        Object.entries(ready).map(([system, builds]) => [
          system,
          builds + (Object.hasOwn(unattended, system) ? (unattended[system] ?? 0) : 0),
        ]),
      );
    }),
  );
  metrics.gauge(
    'drover_derivations',
    'Derivations known.',
    one(() => status().derivations),
  );
  metrics.gauge(
    'drover_items',
    'Store items in the pool.',
    one(() => status().items),
  );
  metrics.gauge('drover_agents', 'Agents by state.', () => {
    const { connected, registered } = status().agents;
    return [
      [{ state: 'connected' }, connected],
      [{ state: 'registered' }, registered],
    ];
  });
  const verification = (read: (is: VerificationStatus) => number | undefined) => (): Reading => {
    const is = status().verification;
    const value = is && read(is);
    return value === undefined ? [] : [[{}, value]];
  };
  metrics.gauge(
    'drover_verification_running',
    'Whether the pool is being verified by itself; there where that is set.',
    verification(({ state }) => (state === 'running' ? 1 : 0)),
  );
  metrics.gauge(
    'drover_verification_items',
    'Items that the verification has looked at that runs, or ran last.',
    verification(({ checked }) => checked),
  );
  metrics.gauge(
    'drover_verification_wrong_items',
    'Items that it has found wrong.',
    verification(({ wrong }) => wrong),
  );
  metrics.gauge(
    'drover_verification_end_seconds',
    'When the last whole one ended, seconds since the Unix epoch.',
    verification(({ ended }) => ended && ended / 1000),
  );
  metrics.gauge('drover_slots', 'Build slots of connected agents.', () => {
    const { slots, busy } = status().agents;
    return [
      [{ state: 'all' }, slots],
      [{ state: 'busy' }, busy],
    ];
  });
  metrics.gauge('drover_agents_by_link', 'Agents by how their links are; left: stopped on purpose.', () =>
    tally(agents().map(({ link }) => link.state)),
  );
  metrics.gauge('drover_agents_by_intake', 'Agents that are not removed by whether they take builds, or why not.', () =>
    tally(agents().map(({ intake }) => intake)),
  );
  metrics.gauge('drover_upstream_items', 'Store items that only an upstream has, by upstream.', () =>
    upstreams().map(({ name, items }) => [{ upstream: name }, items]),
  );
  metrics.gauge(
    'drover_upstream_resting',
    'Whether an upstream is left alone for a while, as it gave no answer: 1 or 0.',
    () => upstreams().map(({ name, state }) => [{ upstream: name }, state === 'resting' ? 1 : 0]),
  );
  metrics.total('drover_upstream_answers_total', 'What upstreams were asked since the start, by what came of it.', () =>
    upstreams().flatMap(({ name, asked }) =>
      Object.entries(asked).map(([answer, count]) => [{ upstream: name, answer }, count] as const),
    ),
  );
  metrics.gauge('drover_agents_refused', 'Agents that are turned away, or a second process of which is.', () => [
    [{}, agents().filter(({ refused }) => refused !== undefined).length],
  ]);
  metrics.gauge('drover_agent_recent_attempts', 'How the last attempts of each agent ended, 20 at most.', () =>
    agents().flatMap(({ name, recent: { attempts, failed } }) => [
      [{ agent: name, result: 'failed' }, failed] as const,
      [{ agent: name, result: 'succeeded' }, attempts - failed] as const,
    ]),
  );
  metrics.gauge('drover_events_position', 'Position of the last durable event, where it is a number.', () => {
    const { position } = status();
    return position !== undefined && /^[0-9]+$/.test(position) ? [[{}, Number(position)]] : [];
  });
  metrics.gauge(
    'drover_views_lag_events',
    'Events that lists and searches do not show yet, where the log numbers them.',
    () => {
      const { events } = views.lag();
      return events === undefined ? [] : [[{}, events]];
    },
  );
  metrics.gauge(
    'drover_views_lag_seconds',
    'For how long the oldest event that lists and searches do not show yet has been in the log.',
    one(() => views.lag().seconds),
  );
  metrics.gauge(
    'drover_pending_commits',
    'Commits decided and not yet durable.',
    one(() => status().pendingCommits),
  );
  metrics.gauge(
    'drover_uploads_waiting',
    'Uploads that found no room in the pool and have not gone on since.',
    one(() => status().uploads.waiting),
  );
  metrics.total(
    'drover_uploads_refused_for_room_total',
    'How often an upload found no room in the pool, since the start.',
    one(() => status().uploads.refused),
  );
  metrics.gauge(
    'drover_agent_links',
    'Agent links that are open.',
    one(() => links().open),
  );
  metrics.gauge(
    'drover_agent_messages_unacknowledged',
    'Messages to agents that they have not acknowledged.',
    one(() => links().unacknowledged),
  );
  metrics.gauge(
    'process_resident_memory_bytes',
    'Resident memory in bytes.',
    one(() => process.memoryUsage.rss()),
  );
  metrics.gauge(
    'process_uptime_seconds',
    'Time since the process started.',
    one(() => process.uptime()),
  );
}

function tally(states: readonly string[]): Reading {
  const counts = new Map<string, number>();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => [{ state }, count] as const);
}
