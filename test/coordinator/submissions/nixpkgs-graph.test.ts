import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { DerivationFacts } from '../../../domain/derivation/events.ts';
import { admin } from '../../support/coordinator.ts';
import { loadNixpkgsGraph, type NixpkgsGraph, nixpkgsGraphAbsent } from '../../support/nixpkgs-graph.ts';
import { times } from '../../support/times.ts';
import { openWorkedFarm, type WorkedFarm } from '../../support/worked-farm.ts';

// Real graphs in which two derivations have one output and one of them is in the build chain of the other, some fifty times. Their
// sources are left out, as nobody has them here; everything else is as it was computed.

interface Prepared extends NixpkgsGraph {
  /** Outputs with several producers. */
  readonly shared: readonly { readonly output: string; readonly producers: readonly DerivationFacts[] }[];
}

const graphs = new Map<string, Promise<Prepared>>();
function prepared(name: 'corepkgs' | 'nixos-15.09'): Promise<Prepared> {
  const known = graphs.get(name) ?? prepare(name);
  graphs.set(name, known);
  return known;
}

async function prepare(name: 'corepkgs' | 'nixos-15.09'): Promise<Prepared> {
  const { facts, roots } = await loadNixpkgsGraph(name);
  const without = facts.map((one) => ({ ...one, sources: [] }));
  const producers = new Map<string, DerivationFacts[]>();
  for (const one of without)
    for (const output of Object.values(one.outputs)) producers.set(output, [...(producers.get(output) ?? []), one]);
  const shared = [...producers].flatMap(([output, of]) => (of.length > 1 ? [{ output, producers: of }] : []));
  return { facts: without, roots, shared };
}

/** The derivations that are built for `roots`, inputs first. */
function closure(facts: readonly DerivationFacts[], roots: readonly string[]): DerivationFacts[] {
  const wanted = new Set(roots.map((root) => root.slice(0, 32)));
  const found = facts.toReversed().filter(({ path, inputs }) => {
    if (!wanted.has(path.slice(0, 32))) return false;
    for (const input of inputs) wanted.add(input.slice(0, 32));
    return true;
  });
  return found.reverse();
}

const outputsOf = (facts: readonly DerivationFacts[], roots: readonly string[]): string[] => {
  const wanted = new Set(roots);
  return facts.flatMap(({ path, outputs }) => (wanted.has(path) ? Object.values(outputs) : []));
};

/** Of every producer of a shared output the first that needs it: their closures have all these producers, in a fifteenth of the derivations. */
function firstUsers({ facts, shared }: Prepared): string[] {
  const producers = shared.flatMap(({ producers }) => producers.map(({ path }) => path.slice(0, 32)));
  return [...new Set(producers.flatMap((one) => facts.find(({ inputs }) => inputs.includes(one))?.path ?? []))];
}

function checkBuilt(farm: WorkedFarm, facts: readonly DerivationFacts[], roots: readonly string[]): void {
  for (const output of outputsOf(facts, roots)) assert.ok(farm.isAvailable(output), `${output} is there`);
  assert.deepEqual([...farm.farm.queue.unfinishedBuilds()], []);
}

describe('a real graph with shared outputs', { skip: nixpkgsGraphAbsent }, () => {
  for (const name of ['corepkgs', 'nixos-15.09'] as const) {
    // All 13,000 of corepkgs take 20 s, and show no more: with DROVER_TEST_TIMES.
    const whole = name === 'nixos-15.09' || times > 1;
    it(`${name}: is built ${whole ? 'as a whole' : 'as far as outputs are shared'}, each output once`, async () => {
      const graph = await prepared(name);
      const { facts, shared } = graph;
      assert.ok(shared.length >= 50);
      const roots = whole ? graph.roots : firstUsers(graph);
      const farm = await openWorkedFarm(facts);
      await farm.wish(roots);
      await farm.work();
      checkBuilt(farm, facts, roots);
      assert.equal(new Set(farm.tried).size, farm.tried.length);
      for (const { output, producers } of shared) {
        // One that was asked for by name may be built beside the one that its output is taken from.
        if (producers.some(({ path }) => roots.includes(path))) continue;
        const tried = producers.filter(({ path }) => farm.tried.includes(path));
        if (!whole) assert.ok(tried.length === 1, `${output} was made by none`);
        assert.ok(tried.length <= 1, `${output} was made by ${tried.map(({ path }) => path).join(' and ')}`);
      }
    });
  }

  it('is built where every derivation was asked for', async () => {
    const { facts } = await prepared('nixos-15.09');
    const all = facts.map(({ path }) => path);
    const farm = await openWorkedFarm(facts);
    await farm.wish(all);
    await farm.work();
    checkBuilt(farm, facts, all);
  });

  it('is built root by root in any order, each with and without its inputs', async () => {
    const { facts, roots, shared } = await prepared('corepkgs');
    const some = [...roots, ...shared.flatMap(({ producers }) => producers.map(({ path }) => path))];
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(some, { minLength: 60, maxLength: 60 }), fc.nat(3), async (order, kind) => {
        const farm = await openWorkedFarm(facts);
        for (const [index, root] of order.entries()) {
          await farm.wish([root], { inputs: (index + kind) % 3 !== 0 });
          if ((index + kind) % 4 === 0) await farm.work();
        }
        await farm.work();
        await farm.acts();
        for (const root of order) await farm.wish([root]);
        await farm.work();
        checkBuilt(farm, facts, order);
      }),
      { numRuns: 2 * times, seed: 1 },
    );
  });

  it('ends with what a person has to do where the first producer fails, is cancelled or was left out', async () => {
    const { facts, shared } = await prepared('corepkgs');
    const cases = shared.flatMap(({ output, producers: [first, second] }) =>
      first && second ? [{ output, first, second }] : [],
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...cases),
        fc.constantFrom('failed', 'canceled', 'deleted', 'left out'),
        fc.boolean(),
        async ({ output, first, second }, how, secondFirst) => {
          // What needs the output in the name of either.
          const names = [first, second].map(({ path }) => path.slice(0, 32));
          const users = facts.filter(({ inputs }) => inputs.some((input) => names.includes(input.slice(0, 32))));
          const roots = [second.path, ...users.slice(0, 3).map(({ path }) => path)];
          const mine = closure(facts, [...roots, first.path]);
          const farm = await openWorkedFarm(mine);
          if (how === 'left out') {
            for (const { path } of mine.filter(({ path }) => path !== first.path).toReversed())
              await farm.wish([path], { inputs: false });
          } else for (const root of secondFirst ? roots : roots.toReversed()) await farm.wish([root]);
          if (how === 'canceled') {
            const build = farm.farm.queue.unfinished(farm.farm.graph.drvOf(first.path) as number);
            if (build)
              await farm.application.cancelBuild(admin, `${build.submission}-${build.number}`, { force: true });
          }
          await farm.work((path) => how === 'failed' && path === first.path);
          if (how === 'deleted') {
            checkBuilt(farm, mine, roots);
            await farm.application.deleteItems(admin, { items: [output], reason: 'test', now: true, force: true });
          }
          // Whatever waits says truly what for; doing that is enough.
          const acts = await farm.acts();
          if ([...farm.farm.queue.unfinishedBuilds()].length > 0) assert.ok(acts.length > 0);
          for (const { derivation, build, state } of acts) {
            if (state === 'failed' || state === 'canceled') await farm.application.retryBuild(admin, build as string);
            else await farm.wish([derivation as string]);
          }
          if (how === 'deleted') await farm.wish(roots);
          await farm.settle();
          await farm.work();
          checkBuilt(farm, mine, roots);
        },
      ),
      { numRuns: 10 * times, seed: 1 },
    );
  });
});
