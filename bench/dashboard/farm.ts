import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createDrover, type Drover } from '../../client/index.ts';
import { serializeDerivation } from '../../domain/store/derivation.ts';
import { makeFixedOutputPath, makeTextPath } from '../../domain/store/store-path.ts';
import { connectAgent } from '../agent.ts';
import type { startCoordinatorProcess } from '../coordinator-process.ts';

const storeDir = '/nix/store';
const agents = 20;
const slots = 2;
const submissions = 8;
const buildsOfEach = 50;
/** One event in so many is of an agent, the others are of builds. */
const agentEvery = 5;

type Coordinator = Awaited<ReturnType<typeof startCoordinatorProcess>>;

/**
 * Something to look at on a coordinator: 20 agents whose 40 slots are all busy for good, and 360 builds that wait, of 8 submissions. The agents' links
 * are real, and nothing is built.
 */
export async function startFarm({ url: { origin: url }, token }: Coordinator) {
  const drover = createDrover({ url, token });
  await using links = new AsyncDisposableStack();
  for (let n = 0; n < agents; n++) {
    const { secret } = await drover.addAgent({ name: `agent-${n}` });
    links.use(await connectAgent(url, secret, slots));
  }
  for (let n = 0; n < submissions; n++) await submit(drover, n);
  const queued = async () => (await drover.listBuilds({ state: 'queued', limit: 1000 })).rows;
  while ((await drover.getStatus()).builds.running < agents * slots) await pause(50);
  const waiting = (await queued()).map(({ id }) => id);
  const kept = links.move();
  let n = 0;
  /** Agents that take nothing. */
  const paused = new Set<string>();
  return {
    drover,
    waiting,
    /** One event, durable once it resolves: it changes what a list of the overview shows, or may. */
    async happen(): Promise<void> {
      const number = ++n;
      if (number % agentEvery === 0) await turn(`agent-${1 + (number % (agents - 1))}`);
      else
        await drover.prioritizeBuild({
          build: waiting[1 + (number % (waiting.length - 1))] as string,
          priority: number % 1000,
        });
    },
    turn,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };

  /** Has an agent take builds, or none. Its slots are busy either way. */
  async function turn(agent: string): Promise<'accepting' | 'paused'> {
    if (!paused.delete(agent)) {
      paused.add(agent);
      await drover.pauseAgent({ agent });
      return 'paused';
    }
    await drover.resumeAgent({ agent });
    return 'accepting';
  }
}

export type Farm = Awaited<ReturnType<typeof startFarm>>;

async function submit(drover: Drover, number: number): Promise<void> {
  await submitAll(
    drover,
    Array.from({ length: buildsOfEach }, (_, n) => derivation(`made-${number}-${n}`)),
  );
}

/**
 * Submits a graph of which nothing is there.
 *
 * @param inputs of each derivation, those before it that it needs
 * @returns the submission
 */
export function submitGraph(
  drover: Drover,
  graph: readonly { readonly name: string; readonly inputs: readonly number[] }[],
): Promise<string> {
  const made: ReturnType<typeof derivation>[] = [];
  for (const [n, { name, inputs }] of graph.entries())
    made.push(
      derivation(
        `${name}-${n}`,
        inputs.map((input) => made[input] as (typeof made)[number]),
      ),
    );
  return submitAll(drover, made);
}

async function submitAll(drover: Drover, roots: readonly ReturnType<typeof derivation>[]): Promise<string> {
  const lines = roots.map(
    ({ path, text }) => `${JSON.stringify({ path, text: Buffer.from(text).toString('base64') })}\n`,
  );
  const headers = { 'content-type': 'application/x-ndjson' };
  await drover.request('POST', '/v1/derivations', { body: lines.join(''), headers });
  const { submission } = await drover.submit({ roots: roots.map(({ path }) => path) });
  return submission;
}

/** One that nothing is needed for: its output is fixed, so that its path follows from its contents. */
function derivation(
  name: string,
  inputs: readonly { readonly path: string }[] = [],
): { path: string; text: Uint8Array } {
  const digest = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest();
  const hash = digest(name).toString('hex');
  const out = makeFixedOutputPath(name, '', 'sha256', hash, storeDir);
  const references = inputs.map(({ path }) => `${storeDir}/${path}`).sort();
  const text = serializeDerivation({
    outputs: [{ name: 'out', path: out, hashAlgo: 'sha256', hash }],
    inputDerivations: references.map((path) => ({ path, outputs: ['out'] })),
    inputSources: [],
    system: 'x86_64-linux',
    builder: '/bin/sh',
    args: [],
    env: [['out', out]],
  });
  return { path: makeTextPath(`${name}.drv`, digest(text), references, storeDir).slice(storeDir.length + 1), text };
}
