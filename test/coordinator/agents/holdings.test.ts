import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createHoldings, mostAgents } from '../../../coordinator/agents/holdings.ts';
import { createFarm } from '../../../projections/farm.ts';
import { derivation, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { fakeBase, fakeSha256 } from '../../support/paths.ts';

const source = (n: number): string => fakeBase('s', n);

/** A farm with these items, by number: size and what each refers to; and a derivation for each list of items that one needs. */
function farmOf(items: readonly { size: number; refersTo: readonly number[] }[], needs: readonly number[][]) {
  const farm = createFarm();
  for (const [n, { size, refersTo }] of items.entries()) {
    const file = { hash: fakeSha256(n), size, compression: 'zstd' } as const;
    const references = refersTo.map(source);
    const data = { path: source(n), narHash: fakeSha256(n), narSize: 2 * size, references, file, signatures: [] };
    farm.apply('item', source(n).slice(0, 32), { type: 'StoreItemAdded', data }, 0, 0);
  }
  for (const [n, needed] of needs.entries()) {
    const data = derivation(n, [], { sources: needed.map(source) });
    farm.apply('derivation', data.path.slice(0, 32), { type: 'DerivationAdded', data }, 0, 0);
  }
  return farm;
}
const drv = (farm: ReturnType<typeof createFarm>, n: number): number => farm.graph.drvOf(derivation(n).path) as number;
const hashes = (items: readonly number[]): string => items.map((n) => source(n).slice(0, 32)).join('');

describe('among agents that could all build something', () => {
  it('the one that lacks the fewest bytes of its inputs is preferred, as a model has it', () => {
    const item = fc.nat(11);
    const agent = fc.nat(69);
    const step = fc.oneof(
      fc.record({ does: fc.constant('fetched' as const), agent, drv: fc.nat(3) }),
      fc.record({ does: fc.constant('told' as const), agent, items: fc.uniqueArray(item), fresh: fc.boolean() }),
      fc.record({ does: fc.constant('forget' as const), agent }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ size: fc.nat(1000), refersTo: fc.uniqueArray(item) }), { minLength: 12, maxLength: 12 }),
        fc.array(fc.uniqueArray(item), { minLength: 4, maxLength: 4 }),
        fc.array(step, { maxLength: 60 }),
        fc.uniqueArray(agent, { minLength: 1, maxLength: 40 }),
        (items, needs, steps, among) => {
          const farm = farmOf(items, needs);
          const holdings = createHoldings(farm);
          const model = new Map<number, Set<number>>();
          const note = (who: number, start: readonly number[]): void => {
            const held = model.get(who) ?? new Set();
            model.set(who, held);
            const take = (n: number): void => {
              if (held.has(n)) return;
              held.add(n);
              for (const next of items[n]?.refersTo ?? []) take(next);
            };
            start.forEach(take);
          };
          for (const one of steps) {
            const name = `${one.agent}`;
            if (one.does === 'fetched') {
              holdings.fetched(name, drv(farm, one.drv));
              note(one.agent, needs[one.drv] ?? []);
            } else if (one.does === 'told') {
              holdings.told(name, hashes(one.items), one.fresh);
              if (one.fresh) model.delete(one.agent);
              note(one.agent, one.items);
            } else {
              holdings.forget(name);
              model.delete(one.agent);
            }
          }
          for (const [n, needed] of needs.entries()) {
            const lacks = (who: number): number => {
              const held = model.get(who);
              return needed.reduce((sum, one) => sum + (held?.has(one) ? 0 : (items[one]?.size ?? 0)), 0);
            };
            const fewest = Math.min(...among.map(lacks));
            const wanted = among.find((who) => lacks(who) === fewest);
            const agents = among.map((who) => ({ name: `${who}` }));
            assert.equal(holdings.preferred(drv(farm, n), agents).name, `${wanted}`);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('no more agents are known of than there is memory for, and those that went make room', () => {
    const farm = farmOf([{ size: 1, refersTo: [] }], [[0]]);
    const holdings = createHoldings(farm);
    for (let n = 0; n <= mostAgents; n++) holdings.told(`a${n}`, '', true);
    holdings.told(`a${mostAgents}`, hashes([0]), true);
    const among = [{ name: 'a0' }, { name: `a${mostAgents}` }];
    assert.equal(holdings.preferred(drv(farm, 0), among).name, 'a0');
    holdings.forget('a1');
    holdings.told(`a${mostAgents}`, hashes([0]), true);
    assert.equal(holdings.preferred(drv(farm, 0), among).name, `a${mostAgents}`);
  });

  it('it goes where its inputs were built or fetched, until that agent starts anew with another store', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1]), derivation(3, [1]), derivation(4, [2])]);
    await farm.connect('a');
    await farm.connect('b');
    await farm.connect('c');
    await farm.application.steerAgent({ id: 'admin', scope: 'admin' }, 'a', 'pause');
    await farm.application.steerAgent({ id: 'admin', scope: 'admin' }, 'b', 'pause');
    await farm.submit(1);
    const [first = assert.fail('nothing allocated')] = farm.allocations();
    assert.equal(first.agent, 'c');
    await farm.succeed('c', first, 1);
    for (const name of ['a', 'b']) await farm.application.steerAgent({ id: 'admin', scope: 'admin' }, name, 'resume');
    farm.allocations();
    await farm.submit(2);
    const [second = assert.fail('nothing allocated')] = farm.allocations();
    assert.equal(second.agent, 'c', 'it has built what it needs');
    await farm.succeed('c', second, 2, [outPath(1)]);

    await farm.application.agentOob('b', { type: 'holds', hashes: outPath(2).slice(0, 32), fresh: true });
    await farm.connect('c', {}, [], { session: 'y' });
    await farm.submit(3);
    const [third = assert.fail('nothing allocated')] = farm.allocations();
    assert.equal(third.agent, 'b', 'it has said that it has what refers to the input');
    await farm.succeed('b', third, 3);
    await farm.application.agentOob('b', { type: 'holds', hashes: '', fresh: true });
    await farm.submit(4);
    assert.equal(farm.allocations()[0]?.agent, 'a', 'none is known to have anything');
  });

  it('that say in their hello that they take nothing new are given nothing in between', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const limited = { by: 'disk', reason: 'no room' } as const;
    await farm.connect('a', {}, [], { limited });
    await farm.submit(1);
    await farm.application.agentDisconnected('a', 'cable');
    await farm.connect('a', {}, [], { limited });
    assert.deepEqual(farm.allocations(), []);
    await farm.application.agentOob('a', { type: 'heartbeat', running: 0 });
    await farm.settle();
    assert.equal(farm.allocations().length, 1);
  });
});
