import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../coordinator/ports/runtime.ts';

/** There may be thousands: one line for all of such a time, in milliseconds. */
const tellEvery = 60_000;

/** Closes connections beyond `most` as they come. Whoever holds those that are there needs no token for that: the log says so. */
export function boundConnections(
  { server, log }: FastifyInstance,
  most: number,
  clock: Pick<Clock, 'monotonic'>,
): void {
  if (!Number.isFinite(most)) return;
  server.maxConnections = most;
  let told = Number.NEGATIVE_INFINITY;
  let closed = 0;
  server.on('drop', () => {
    closed++;
    if (clock.monotonic() - told < tellEvery) return;
    told = clock.monotonic();
    log.warn(
      { closed, connections: most },
      'connections are closed as they come: there are as many as the limit of open files has room for (docs/operating.md)',
    );
    closed = 0;
  });
}
