import type { Application } from '../../../coordinator/application.ts';
import type { HookStatus } from '../../../coordinator/hooks/status.ts';
import type { Metrics, Reading } from './registry.ts';

/** Figures of hooks, each with its name as `hook`. */
export function addHookMetrics(metrics: Metrics, application: Pick<Application, 'hooks' | 'readiness'>): void {
  const each = (read: (hook: HookStatus) => number) => (): Reading => {
    // Where no coordinator runs there are no figures, and the others still have to be told.
    if (!application.readiness().ready) return [];
    return application.hooks().map((hook) => [{ hook: hook.name }, read(hook)] as const);
  };
  const gauge = (name: string, help: string, read: (hook: HookStatus) => number): void =>
    metrics.gauge(name, help, each(read));
  gauge('drover_hook_lag_events', 'Events that the hook owes, as far as they are counted.', ({ lag }) => lag.events);
  gauge('drover_hook_lag_seconds', 'Age of the oldest event that the hook owes.', ({ lag }) => lag.seconds);
  gauge('drover_hook_in_flight', 'Deliveries under way.', ({ inFlight }) => inFlight.length);
  gauge('drover_hook_failing', 'Events that failed and are tried again.', ({ counts }) => counts.failing);
  gauge('drover_hook_parked', 'Events that wait for an operator.', ({ counts }) => counts.parked);
  metrics.total(
    'drover_hook_delivered_total',
    'Deliveries that succeeded, ever.',
    each(({ delivered }) => delivered),
  );
  gauge('drover_hook_active', 'Whether the hook delivers: neither paused nor broken.', ({ state }) =>
    state === 'active' ? 1 : 0,
  );
}
