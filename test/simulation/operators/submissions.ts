import type { SubmitWish } from '../../../coordinator/application.ts';
import type { SimulatedFarm } from '../farm.ts';
import { hashOf } from '../graph.ts';
import type { Random } from '../random.ts';
import { insist } from '../violation.ts';
import { deferralMs, type Operator, pause, pickRoots } from './operator.ts';

/** Submits until it is answered, or so many times, with one key: there is one submission, however often it is asked for. */
export async function submit(
  farm: SimulatedFarm,
  roots: readonly string[],
  key: string,
  wish: Omit<SubmitWish, 'roots' | 'idempotencyKey'> = { options: { priority: 1 }, inputs: true, force: false },
  patience = 200,
): Promise<string | undefined> {
  for (let tries = 0; tries < patience; tries++) {
    const answer = await farm.ask(`submit ${roots.map((root) => root.slice(33)).join(' ')}`, (application) =>
      application.submit(farm.admin, { ...wish, roots, idempotencyKey: key }),
    );
    if (answer.value) {
      const { submission } = answer.value;
      farm.guard(() =>
        insist(
          farm.ledger.submissions.has(submission),
          'I1',
          `the submission ${submission} was acknowledged and is not in the log`,
        ),
      );
      return submission;
    }
    if (answer.refused !== undefined) return undefined;
    await pause(farm, 1000);
  }
  return undefined;
}

/** Sends a derivation whose text the coordinator lacks, as a client does that has it. */
export async function sendDerivation(farm: SimulatedFarm, path: string): Promise<void> {
  const missing = await farm.ask('which derivations are missing', (application) =>
    application.missingDerivations([path]),
  );
  for (const one of missing.value ?? []) {
    const text = farm.graph.recipe(one)?.text as Uint8Array;
    await farm.ask(`send ${one.slice(33)}`, (application) => {
      farm.lostTexts.delete(one);
      return application.addDerivations([{ path: one, text }]);
    });
  }
}

/** Sends what the roots need of a client's own. */
export async function sendSources(
  farm: SimulatedFarm,
  roots: readonly string[],
  checkUpstream?: SubmitWish['checkUpstream'],
): Promise<void> {
  const missing = await farm.ask('which sources are missing', (application) =>
    application.missingSources(roots, checkUpstream),
  );
  for (const path of missing.value ?? []) await sendSource(farm, path);
}

export async function sendSource(farm: SimulatedFarm, path: string): Promise<void> {
  const source = farm.graph.sources.find((one) => one.path === path);
  if (!source) return;
  const size = source.nar.length;
  const declaration = {
    path,
    narHash: hashOf(source.nar),
    narSize: size,
    references: [],
    compression: 'none',
    fileSize: size,
  } as const;
  const body = async function* () {
    yield source.nar;
  };
  const begun = await farm.ask(`begin to send ${path.slice(33)}`, (application) =>
    application.beginUpload(farm.admin, declaration),
  );
  if (!begun.value || begun.value.finished) return;
  const { id, offset } = begun.value;
  const rest = async function* () {
    for await (const chunk of body()) yield chunk.subarray(offset);
  };
  const sent = await farm.ask(`send ${path.slice(33)}`, (application) =>
    application.writeUpload(farm.admin, id, offset, rest()),
  );
  if (!sent.value?.finished) return;
  farm.guard(() => insist(farm.ledger.everPresent.has(path), 'I1', `${path} was acknowledged and is not in the log`));
}

/** What somebody may ask for beside the derivations. */
function wishOf(farm: SimulatedFarm, random: Random): Omit<SubmitWish, 'roots' | 'idempotencyKey'> {
  const priority = random.below(3);
  const isDeferred = random.chance(0.15);
  const until = farm.time.runtime.clock.now() + deferralMs(random);
  const tags = random.chance(0.3) ? { channel: random.pick(['a', 'b']) as string } : undefined;
  const keepSeconds = random.chance(0.6) ? random.between(1, 60) : undefined;
  const wish = {
    options: { priority, ...(isDeferred && { deferUntil: until }), ...(tags && { tags }) },
    inputs: random.chance(0.93),
    force: random.chance(0.1),
    ...(random.chance(0.2) && {
      root: { name: `root${random.below(4)}`, ...(keepSeconds !== undefined && { keepSeconds }) },
    }),
  };
  const checkUpstream = farm.upstreams.length > 0 ? random.pick(['all', 'all', 'inputs', 'never'] as const) : undefined;
  return { ...wish, ...(checkUpstream && { checkUpstream }) };
}

export const submissionOperators: Readonly<Record<string, Operator>> = {
  submit: {
    weight: 18,
    async act(farm, random) {
      const roots = pickRoots(farm, random);
      const wish = wishOf(farm, random);
      const known = farm.ledger.derivations.has((roots[0] as string).slice(0, 32)) ? 'known' : 'new';
      const how = wish.root ? ', kept' : wish.options.deferUntil !== undefined ? ', deferred' : '';
      farm.cover('submit', `${known}${how}`);
      if (random.chance(0.9)) await sendSources(farm, roots, wish.checkUpstream);
      const number = random.below(1e9);
      // Some ask once, and go: what was received has to be queued for them as well.
      await submit(farm, roots, `key ${farm.seed} ${number}`, wish, number % 2 === 0 ? 1 : undefined);
    },
  },
  'send source': {
    weight: 2,
    async act(farm, random) {
      const source = random.pick(farm.graph.sources);
      if (!source) return;
      farm.cover('send source', farm.ledger.items.has(source.path) ? 'present' : 'absent');
      await sendSource(farm, source.path);
    },
  },
  'cancel submission': {
    weight: 2,
    async act(farm, random) {
      const id = random.pick([...farm.ledger.submissions.keys()]);
      if (id === undefined) return;
      const preview = random.chance(0.1);
      farm.cover('cancel submission', preview ? 'preview' : 'known');
      await farm.ask(`cancel submission ${id}`, (application) =>
        application.cancelSubmission(farm.admin, id, { preview }),
      );
    },
  },
  'retry submission': {
    weight: 1,
    async act(farm, random) {
      const id = random.pick([...farm.ledger.submissions.keys()]);
      if (id === undefined) return;
      farm.cover('retry submission', 'known');
      await farm.ask(`retry submission ${id}`, (application) => application.retrySubmission(farm.admin, id));
    },
  },
};
