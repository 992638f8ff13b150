import { setTimeout as delay } from 'node:timers/promises';
import type { AgentEntry } from '../simulation/audit/ledger.ts';
import { insist } from '../simulation/violation.ts';
import type { Scene } from './operators.ts';
import { sendSource } from './operators.ts';

/** Waits until it holds, which is looked at again whenever something may have changed; `what` is for people where it does not come. */
export async function becomes(
  scene: Scene,
  what: string,
  holds: () => Promise<string | undefined> | string | undefined,
): Promise<void> {
  for (;;) {
    const lacking = await holds();
    if (lacking === undefined) break;
    scene.waits.set(what, lacking);
    // What is on a disk is told by no event.
    await Promise.race([scene.event(), delay(250)]);
  }
  scene.waits.delete(what);
}

/** All that the log has has been read and looked at. */
export async function caughtUp(scene: Scene): Promise<void> {
  const { position } = (await scene.client.ask('GET', '/v1/status')).body;
  await becomes(scene, 'the log is read', () => {
    const last = scene.house.farm.feed.events[scene.seen() - 1]?.position ?? '';
    return last >= position ? undefined : `up to ${last} of ${position}`;
  });
}

/** I5: what was received is queued, whoever asks for it again or not, unless somebody cancelled it. */
async function unqueued({ client, audit, house }: Scene): Promise<string | undefined> {
  for (const id of audit.ledger.submissions.keys()) {
    const isCanceled = (): boolean =>
      house.farm.feed.events.some(({ type, stream }) => type === 'SubmissionCanceled' && stream === `submission-${id}`);
    if (audit.queued.has(id) || isCanceled()) continue;
    const { body } = await client.ask('GET', `/v1/submissions/${id}`);
    return `${id} is not: ${JSON.stringify(body.notQueued)}`;
  }
  return undefined;
}

/** Nothing goes on any more: every submission is queued, and every build has ended, or is blocked. */
export async function rest(scene: Scene): Promise<void> {
  const { client, audit } = scene;
  await becomes(scene, 'every submission is queued', async () => {
    await caughtUp(scene);
    return unqueued(scene);
  });
  await becomes(scene, 'every build has ended, or waits for a person', async () => {
    await caughtUp(scene);
    const away = [...audit.ledger.agents].filter(([, agent]) => !isThere(agent)).map(([name]) => name);
    if (away.length > 0) return `${away} are not there, or take nothing`;
    const open = audit.open();
    if (open.length === 0) return undefined;
    const { body } = await client.ask('GET', '/v1/builds?state=blocked&limit=1000');
    const blocked = new Set((body.rows as { id: string }[]).map(({ id }) => id));
    const going = open.filter(({ id }) => !blocked.has(id));
    if (going.length === 0) return undefined;
    const first = going[0]?.id as string;
    const why = await client.ask('GET', `/v1/builds/${first}/why`);
    return `${going.length} builds go on, the first ${first}, which is ${going[0]?.standing}: ${JSON.stringify(why.body)}`;
  });
}

const isThere = ({ connected, paused, draining, leaving, unfit }: AgentEntry): boolean =>
  connected && !paused && !draining && !leaving && !unfit;

/** I5: each build that waits does so for something that only a person changes, and `why` names it. */
export async function auditWaits({ client, audit }: Scene): Promise<void> {
  for (const build of audit.open()) {
    const obstacle = audit.obstacleOf(build);
    const { body: why } = await client.ask('GET', `/v1/builds/${build.id}/why`);
    insist(obstacle !== undefined, 'I5', `${build.id} could be built, and is not: ${JSON.stringify(why)}`);
    insist(
      why.blockers?.length > 0,
      'I5',
      `${build.id} waits for ${obstacle}, and why names nobody who could help: ${JSON.stringify(why)}`,
    );
  }
}

/** What a person does about what is blocked: sends sources, and gives up the rest. */
export async function settle(scene: Scene): Promise<void> {
  const { audit, client, graph } = scene;
  for (const build of audit.open())
    for (const need of audit.ledger.derivations.get(build.derivation)?.needs ?? []) {
      const source = graph.sources.get(need);
      if (source && !audit.ledger.items.has(need)) await sendSource(scene, source);
    }
  await rest(scene);
  for (const { id } of audit.open()) audit.ledger.forced.add(id);
  if (audit.open().length > 0)
    await client.ask('POST', '/v1/builds/cancel', {
      body: { state: ['queued'], force: true, reason: 'nobody helps it' },
    });
  await becomes(scene, 'every build has ended', async () => {
    await caughtUp(scene);
    return audit.open().length === 0 ? undefined : `${audit.open().map(({ id }) => id)} have not`;
  });
}
