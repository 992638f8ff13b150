import { isDeepStrictEqual } from 'node:util';
import { run as runCli } from '../../cli/support/run-cli.ts';
import { isOver } from '../../simulation/audit/ledger.ts';
import { insist } from '../../simulation/violation.ts';
import type { Event } from '../../support/e2e/event-feed.ts';
import type { House } from '../house.ts';
import type { LogAudit } from './log.ts';

/** I3: what the running coordinator knows is what the log says, by another program's count, and by Drover's own replay. */
export async function auditStatus({ farm, store }: House, { ledger, roots }: LogAudit): Promise<void> {
  const { body: live } = await farm.request('GET', '/v1/status');
  const standing = (...wanted: string[]): number =>
    [...ledger.builds.values()].filter((build) => wanted.includes(build.standing)).length;
  const { succeeded, failed, canceled, allocated, running, ...queued } = live.builds;
  const counted = { succeeded, failed, canceled, live: allocated + running };
  const expected = {
    succeeded: standing('succeeded'),
    failed: standing('failed'),
    canceled: standing('canceled'),
    live: standing('allocated', 'running'),
  };
  insist(
    JSON.stringify(counted) === JSON.stringify(expected),
    'I3',
    `the status says ${JSON.stringify(counted)}, the log ${JSON.stringify(expected)}`,
  );
  const waiting = Object.values(queued as Record<string, number>).reduce((sum, count) => sum + count, 0);
  const open = [...ledger.builds.values()].filter((build) => !isOver(build)).length - expected.live;
  insist(waiting === open, 'I3', `${waiting} builds wait by the status, ${open} by the log`);
  insist(live.items === ledger.items.size, 'I3', `${live.items} items by the status, ${ledger.items.size} by the log`);
  const { body } = await farm.request('GET', '/v1/roots');
  const names = (body.rows as { name: string }[]).map(({ name }) => name).sort();
  insist(
    JSON.stringify(names) === JSON.stringify([...roots.keys()].sort()),
    'I3',
    `roots are ${names}, by the log ${[...roots.keys()].sort()}`,
  );

  const { code, out, err } = await runCli(['replay', 'status', '-o', 'json', '--store', store]);
  insist(code === 0, 'I3', `drover replay status: ${err}`);
  const replayed = JSON.parse(out);
  // Checkpoints of hooks and of the log come at any time: where it ends is not compared.
  // Nor are derivations: a replay forgets none.
  for (const key of ['builds', 'items'] as const)
    insist(
      isDeepStrictEqual(replayed[key], live[key]),
      'I3',
      `${key} is ${JSON.stringify(live[key])}, and by a replay ${JSON.stringify(replayed[key])}`,
    );
}

/** I2: the log is one chain, and what a subscriber was given is what it says. */
export async function auditLog({ farm, store }: House): Promise<void> {
  const key = `${farm.data}/audit-key.pub`;
  const verified = await runCli(['events', 'verify', '--json', '--store', store, '--key', key]);
  insist(verified.code === 0, 'I2', `drover events verify: ${verified.out}${verified.err}`);
  // What is told while the log is read may come after what is read of it.
  const events = [...farm.feed.events];
  const { body } = await farm.request('GET', '/v1/events', { headers: { accept: 'application/x-ndjson' } });
  const lines = String(body).trim().split('\n');
  insist(lines.length >= events.length, 'I1', `${events.length} events were told, and the log has ${lines.length}`);
  for (const [at, told] of events.slice(0, lines.length).entries()) {
    const line = lines[at] as string;
    const event = JSON.parse(line) as Event;
    insist(
      event.id === told.id &&
        event.position === told.position &&
        JSON.stringify(event.data) === JSON.stringify(told.data),
      'I2',
      `told was ${JSON.stringify(told)}, the log has ${line}`,
    );
  }
}
