import type { CancelWish } from '../../coordinator/application.ts';
import { type BuildEntry, nuisance } from './audit/ledger.ts';
import { passingHook } from './audit/receivers.ts';
import { isGranted, type SimulatedFarm } from './farm.ts';
import { hashOf } from './graph.ts';
import type { Machine } from './machine.ts';
import type { Random } from './random.ts';
import { insist, Violation } from './violation.ts';

/**
 * Something that a person or a program wants of the farm. To add one, add an entry to {@link operators}: it chooses what it is about with
 * `random` alone, asks by `farm.ask`, and says what was acknowledged, which has to be in the log by then (I1).
 */
export interface Operator {
  /** How often it is chosen, against the others. */
  readonly weight: number;
  act(farm: SimulatedFarm, random: Random): Promise<void>;
}

/** Submits until it is answered, with one key: there is one submission, however often it is asked for. */
export async function submit(
  farm: SimulatedFarm,
  roots: readonly string[],
  key: string,
  options: { priority: number; force?: boolean; inputs?: boolean },
): Promise<string | undefined> {
  const { priority, force = false, inputs = true } = options;
  for (let tries = 0; tries < 200; tries++) {
    const answer = await farm.ask(`submit ${roots.map((root) => root.slice(33)).join(' ')}`, (application) =>
      application.submit(farm.admin, { roots, options: { priority }, inputs, force, idempotencyKey: key }),
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

export function pause(farm: SimulatedFarm, ms: number): Promise<void> {
  return new Promise((resolve) => void farm.client.after(ms, resolve));
}

/** Sends what the roots need of a client's own. */
async function sendSources(farm: SimulatedFarm, roots: readonly string[]): Promise<void> {
  const missing = await farm.ask('which sources are missing', (application) => application.missingSources(roots));
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

function pickBuild(farm: SimulatedFarm, random: Random): BuildEntry | undefined {
  const all = [...farm.ledger.builds.values()];
  // What is not over is more of interest.
  const open = all.filter(
    ({ standing }) => standing === 'queued' || standing === 'allocated' || standing === 'running',
  );
  return random.chance(0.7) && open.length > 0 ? random.pick(open) : random.pick(all);
}

const pickRoots = (farm: SimulatedFarm, random: Random): string[] => {
  const { recipes } = farm.graph;
  const count = random.chance(0.3) ? 2 : 1;
  const roots = Array.from(
    { length: count },
    () => random.pick(recipes.slice(recipes.length >> 1))?.facts.path as string,
  );
  return [...new Set(roots)];
};

const pickItem = (farm: SimulatedFarm, random: Random): string | undefined =>
  random.pick([...farm.ledger.items.keys()]);

function agentState(farm: SimulatedFarm, { name }: Machine): string {
  const agent = farm.ledger.agents.get(name);
  if (!agent) return 'unknown';
  for (const state of ['retired', 'paused', 'draining', 'leaving', 'quarantined', 'unfit'] as const)
    if (agent[state]) return state;
  return agent.connected ? 'connected' : 'away';
}

function steer(wish: 'pause' | 'resume' | 'drain'): Operator['act'] {
  return async (farm, random) => {
    const machine = random.pick(farm.machines) as Machine;
    farm.cover(`${wish} agent`, agentState(farm, machine));
    await farm.ask(`${wish} ${machine.name}`, (application) =>
      application.steerAgent(farm.admin, machine.name, wish, 'for the sake of it'),
    );
  };
}

async function cancelBuild(farm: SimulatedFarm, random: Random): Promise<void> {
  const build = pickBuild(farm, random);
  if (!build) return;
  farm.cover('cancel build', build.standing);
  const wish: CancelWish = { force: random.chance(0.3), ...(random.chance(0.2) && { preview: true }) };
  if (wish.force) farm.ledger.forced.add(build.id);
  const answer = await farm.ask(`cancel ${build.id}`, (application) =>
    application.cancelBuild(farm.admin, build.id, wish),
  );
  if (!answer.value || wish.preview || answer.value.canceled === 0) return;
  for (const { build: id, outcome } of answer.value.builds)
    if (outcome === 'canceled')
      farm.guard(() =>
        insist(
          farm.ledger.builds.get(id)?.standing === 'canceled',
          'I1',
          `${id} was cancelled, and the log does not say so`,
        ),
      );
}

async function deleteItem(farm: SimulatedFarm, random: Random): Promise<void> {
  const { items } = farm.ledger;
  const ownSources = farm.graph.sources.filter((source) => items.has(source.path));
  const path = random.chance(0.2) ? random.pick(ownSources)?.path : pickItem(farm, random);
  if (path === undefined) return;
  // Others want it at that moment: somebody fetches it, or whoever sent it sends it again.
  if (random.chance(0.5)) farm.client.after(random.between(0, 60), () => void fetchItem(farm, path));
  if (random.chance(0.5)) farm.client.after(random.between(0, 60), () => void sendSource(farm, path));
  farm.cover('delete item', farm.ledger.isAvailable(path) ? 'available' : 'present');
  const before = farm.ledger.items.get(path);
  const how = { now: random.chance(0.3), force: random.chance(0.7) };
  const answer = await farm.ask(`delete ${path.slice(33)}`, (application) =>
    application.deleteItems(farm.admin, { items: [path], reason: 'for the sake of it', ...how }),
  );
  if (!isGranted(answer)) return;
  // Unless it has come again meanwhile, as another entry.
  farm.guard(() =>
    insist(farm.ledger.items.get(path) !== before, 'I1', `${path} was deleted, and the log does not say so`),
  );
}

/** What a client of the cache gets is what the narinfo says, or it is told that there is nothing. */
async function fetch(farm: SimulatedFarm, random: Random): Promise<void> {
  const { items, everPresent, isAvailable } = farm.ledger;
  const isBroken = (item: string): boolean =>
    !isAvailable(item) || !farm.poolDisk.files.has(items.get(item)?.file as string);
  const broken = [...items.keys()].filter(isBroken);
  const path = random.chance(0.5) ? pickItem(farm, random) : (random.pick(broken) ?? random.pick([...everPresent]));
  if (path !== undefined) await fetchItem(farm, path);
}

async function fetchItem(farm: SimulatedFarm, path: string): Promise<void> {
  const { signal } = new AbortController();
  const { items, isAvailable } = farm.ledger;
  farm.cover('fetch', isAvailable(path) ? 'available' : items.has(path) ? 'present' : 'gone');
  try {
    const info = await farm.cache.narinfo(path.slice(0, 32), signal);
    const nar = info && (await farm.cache.nar(info, signal));
    if (!nar) return;
    const chunks: Uint8Array[] = [];
    for await (const chunk of nar) chunks.push(chunk);
    const got = hashOf(Buffer.concat(chunks));
    farm.guard(() =>
      insist(got === info.narHash, 'I6', `${path}: its narinfo says ${info.narHash}, and what came is ${got}`),
    );
  } catch {
    // The network; or the coordinator is away.
  }
}

/** I5, of one build: there is a reason, and what would end it. */
async function why(farm: SimulatedFarm, random: Random): Promise<void> {
  const build = pickBuild(farm, random);
  if (!build) return;
  farm.cover('why', build.standing);
  const answer = await farm.ask(`why ${build.id}`, async (application) => application.why(build.id));
  const told = answer.value;
  if (!told || told.reason === 'ended') return;
  farm.guard(() =>
    insist(told.until !== '' && told.summary !== '', 'I5', `${build.id} has no reason: ${JSON.stringify(told)}`),
  );
}

const nobody = { id: nuisance, scope: 'admin' } as const;

/** Wishes that have to be refused, each with a code, and leave no trace in the log (I12). */
async function disturb(farm: SimulatedFarm, random: Random): Promise<void> {
  const unknown = `${'0'.repeat(32)}-unknown`;
  const [build] = [...farm.ledger.builds.values()].filter(({ standing }) => standing === 'succeeded');
  const wishes: Readonly<Record<string, Parameters<typeof farm.ask<unknown>>[1]>> = {
    'cancel an unknown build': (application) => application.cancelBuild(nobody, 'nothing-1'),
    'retry an unknown build': (application) => application.retryBuild(nobody, 'nothing-1'),
    'delete an unknown item': (application) => application.deleteItems(nobody, { items: [unknown], reason: '' }),
    'steer an unknown agent': (application) => application.steerAgent(nobody, 'nobody', 'pause'),
    'add an agent again': (application) => application.addAgent(nobody, farm.machines[0]?.name as string),
    'revoke an unknown token': (application) => application.revokeToken(nobody, 'nothing'),
    'submit an unknown derivation': (application) =>
      application.submit(nobody, { roots: [`${unknown}.drv`], options: { priority: 0 }, inputs: true, force: false }),
    'remove an unknown hook': (application) => application.removeHook(nobody, 'nothing'),
    'add a hook again': (application) => application.addHook(nobody, 'quick', { definition: passingHook }),
    'send a source with a wrong path': async (application) =>
      application.beginUpload(nobody, {
        path: unknown,
        narHash: hashOf(Buffer.from('x')),
        narSize: 1e12,
        references: [],
        compression: 'none',
        fileSize: 1e12,
      }),
    ...(build && {
      'cancel what has ended': (application) => application.cancelBuild(nobody, build.id, { force: true }),
    }),
  };
  const what = random.pick(Object.keys(wishes)) as string;
  farm.cover('nuisance', what);
  const answer = await farm.ask(what, wishes[what] as (typeof wishes)[string]);
  if (isGranted(answer)) farm.fail(new Violation('I12', `${what}: was granted: ${JSON.stringify(answer.value)}`));
}

async function renewToken(farm: SimulatedFarm, machine: Machine): Promise<void> {
  const answer = await farm.ask(`rotate the token of ${machine.name}`, (application) =>
    application.rotateToken(farm.admin, machine.name, { overlapSeconds: 0 }),
  );
  if (answer.value) machine.secret = answer.value.secret;
  machine.start();
}

/** Gives every agent that has no valid token a new one. */
export async function renewTokens(farm: SimulatedFarm): Promise<void> {
  for (const machine of farm.machines) {
    for (let tries = 0; tries < 50; tries++) {
      const { served } = farm.house;
      try {
        if (served?.application.authenticate(machine.secret)) break;
      } catch {
        // No coordinator at the moment.
      }
      await renewToken(farm, machine);
      await pause(farm, 500);
    }
  }
}

/** What somebody has paused goes on in the end, or nothing would be owed. */
export async function resumeHooks(farm: SimulatedFarm): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const there = await farm.ask('list hooks', async (application) => application.hooks());
    const paused = there.value?.filter(({ state }) => state === 'paused');
    if (paused?.length === 0) return;
    for (const { name } of paused ?? [])
      await farm.ask(`resume hook ${name}`, (application) => application.resumeHook(farm.admin, name));
    await pause(farm, 500);
  }
}

export const operators: Readonly<Record<string, Operator>> = {
  submit: {
    weight: 14,
    async act(farm, random) {
      const roots = pickRoots(farm, random);
      farm.cover('submit', farm.ledger.derivations.has((roots[0] as string).slice(0, 32)) ? 'known' : 'new');
      if (random.chance(0.9)) await sendSources(farm, roots);
      const key = `key ${farm.seed} ${random.below(1e9)}`;
      await submit(farm, roots, key, { priority: random.below(3), force: random.chance(0.1) });
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
  'cancel build': { weight: 3, act: cancelBuild },
  'cancel submission': {
    weight: 2,
    async act(farm, random) {
      const id = random.pick([...farm.ledger.submissions.keys()]);
      if (id === undefined) return;
      farm.cover('cancel submission', 'known');
      await farm.ask(`cancel submission ${id}`, (application) => application.cancelSubmission(farm.admin, id));
    },
  },
  'retry build': {
    weight: 3,
    async act(farm, random) {
      const build = pickBuild(farm, random);
      if (!build) return;
      farm.cover('retry build', build.standing);
      await farm.ask(`retry ${build.id}`, (application) => application.retryBuild(farm.admin, build.id));
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
  prioritize: {
    weight: 1,
    async act(farm, random) {
      const build = pickBuild(farm, random);
      if (!build) return;
      farm.cover('prioritize', build.standing);
      const priority = random.below(10);
      await farm.ask(`prioritize ${build.id}`, (application) =>
        application.prioritizeBuild(farm.admin, build.id, priority),
      );
    },
  },
  'delete item': { weight: 5, act: deleteItem },
  verify: {
    weight: 1,
    async act(farm, random) {
      const full = random.chance(0.5);
      farm.cover('verify', full ? 'full' : 'sizes');
      await farm.ask('verify', async (application) => {
        for await (const report of application.verifyItems(farm.admin, { full }))
          if (report.type === 'end') return report;
        return undefined;
      });
    },
  },
  fetch: { weight: 6, act: fetch },
  why: { weight: 3, act: why },
  'pause agent': { weight: 1, act: steer('pause') },
  'resume agent': { weight: 2, act: steer('resume') },
  'drain agent': { weight: 1, act: steer('drain') },
  'rotate token': {
    weight: 1,
    async act(farm, random) {
      const machine = random.pick(farm.machines) as Machine;
      farm.cover('rotate token', agentState(farm, machine));
      await renewToken(farm, machine);
    },
  },
  'revoke token': {
    weight: 1,
    async act(farm, random) {
      const machine = random.pick(farm.machines) as Machine;
      farm.cover('revoke token', agentState(farm, machine));
      const id = [...farm.ledger.tokens].findLast(([, { agent, revoked }]) => agent === machine.name && !revoked)?.[0];
      if (id === undefined) return;
      const answer = await farm.ask(`revoke the token of ${machine.name}`, (application) =>
        application.revokeToken(farm.admin, id),
      );
      if (isGranted(answer))
        farm.guard(() =>
          insist(farm.ledger.tokens.get(id)?.revoked, 'I1', `${id} was revoked, and the log does not say so`),
        );
      farm.client.after(random.between(1000, 8000), () => void renewTokens(farm));
    },
  },
  'add hook': {
    weight: 1,
    async act(farm, random) {
      farm.cover('add hook', 'new');
      const name = `extra${random.below(5)}`;
      await farm.ask(`add hook ${name}`, (application) =>
        application.addHook(farm.admin, name, { definition: passingHook }),
      );
    },
  },
  'remove hook': {
    weight: 1,
    async act(farm, random) {
      const there = await farm.ask('list hooks', async (application) => application.hooks());
      const hook = random.pick((there.value ?? []).filter(({ name }) => name.startsWith('extra')));
      if (!hook) return;
      farm.cover('remove hook', hook.state);
      await farm.ask(`remove hook ${hook.name}`, (application) => application.removeHook(farm.admin, hook.name));
    },
  },
  'pause hook': {
    weight: 1,
    async act(farm, random) {
      const name = random.pick(['quick', 'flaky', 'ordered', 'parks']) as string;
      farm.cover('pause hook', name);
      await farm.ask(`pause hook ${name}`, (application) => application.pauseHook(farm.admin, name));
      await pause(farm, random.between(100, 10_000));
      await farm.ask(`resume hook ${name}`, (application) => application.resumeHook(farm.admin, name));
    },
  },
  nuisance: { weight: 3, act: disturb },
};
