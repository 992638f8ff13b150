import { pusher } from '../audit/ledger.ts';
import { isGranted, type SimulatedFarm } from '../farm.ts';
import { baseOf, hashOf, narOf } from '../graph.ts';
import type { Random } from '../random.ts';
import { insist } from '../violation.ts';
import type { Operator } from './operator.ts';

const mayPush = { id: pusher, scope: 'push' } as const;

/** Sends an output that somebody has built elsewhere: as it would have been here, or not bit by bit. */
async function push(farm: SimulatedFarm, random: Random): Promise<void> {
  const all = farm.graph.recipes.flatMap(({ references }) => [...references]);
  // What could be taken is of more interest.
  const whole = all.filter(([, references]) => references.every((one) => farm.ledger.isAvailable(baseOf(one))));
  const [path, full] = random.pick(random.chance(0.6) ? whole : all) ?? [];
  if (path === undefined || full === undefined) return;
  const references = full.map(baseOf).sort();
  const lacking = references.filter((one) => !farm.ledger.isAvailable(one));
  const nar = narOf(path, random.chance(0.7) ? full : [...full, 'built elsewhere']);
  const by = random.chance(0.5) ? mayPush : farm.admin;
  const state = farm.ledger.items.has(path) ? 'present' : farm.ledger.everPresent.has(path) ? 'gone' : 'new';
  farm.cover('push', `${by.scope}, ${state}${lacking.length > 0 ? ', without what it refers to' : ''}`);
  const declaration = {
    path,
    narHash: hashOf(nar),
    narSize: nar.length,
    references,
    compression: 'none',
    fileSize: nar.length,
    push: {},
  } as const;
  // A client goes on with what was cut, or begins anew.
  for (let tries = 0; tries < 3; tries++) {
    const begun = await farm.ask(`begin to push ${path.slice(33)}`, (application) =>
      application.beginUpload(by, declaration),
    );
    if (begun.refused !== undefined) return;
    if (!begun.value) continue;
    const { id, offset, finished } = begun.value;
    const rest = async function* () {
      yield nar.subarray(offset);
    };
    const sent = finished
      ? begun
      : await farm.ask(`push ${path.slice(33)}`, (application) => application.writeUpload(by, id, offset, rest()));
    if (!isGranted(sent) || !sent.value?.finished) continue;
    const { everPresent } = farm.ledger;
    farm.guard(() => {
      insist(everPresent.has(path), 'I1', `${path} was acknowledged and is not in the log`);
      for (const one of references)
        insist(everPresent.has(one), 'I7', `${path} was taken, and it refers to ${one}, which never was there`);
    });
    return;
  }
}

/** What people do who have built something elsewhere. */
export const pushOperators: Readonly<Record<string, Operator>> = { push: { weight: 2, act: push } };
