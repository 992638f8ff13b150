import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createBrokenNames, type Verdict } from '../../projections/broken-names.ts';

const verdicts = fc
  .array(fc.record({ name: fc.constantFrom('a', 'b', 'a b'), system: fc.constantFrom('x', 'x a'), ok: fc.boolean() }))
  .map((all) => all.map((one, at): Verdict => ({ ...one, at, event: `build-${at}@0` })));

describe('what is broken, by name and system', () => {
  it('changes where a verdict is another than the one before, and nowhere else', () => {
    fc.assert(
      fc.property(verdicts, (all) => {
        const broken = createBrokenNames();
        for (const [place, verdict] of all.entries()) {
          const before = all
            .slice(0, place)
            .filter(({ name, system }) => name === verdict.name && system === verdict.system);
          const lastGood = before.findLastIndex(({ ok }) => ok);
          const since = before[lastGood + 1] ?? (verdict.ok ? undefined : verdict);
          const wasBroken = before.length > lastGood + 1;
          assert.deepEqual(
            broken.take(verdict),
            wasBroken === !verdict.ok
              ? undefined
              : { kind: verdict.ok ? 'fixed' : 'broken', brokenBy: since?.event, brokenSince: since?.at },
          );
        }
      }),
    );
  });
  it('says the same of a failure that is looked at again', () => {
    const broken = createBrokenNames();
    const verdict = { event: 'build-1@3', at: 7, name: 'a', system: 'x', ok: false };
    assert.deepEqual(broken.take(verdict), broken.take(verdict));
  });
  it('is so much at most: what broke first is forgotten', () => {
    const broken = createBrokenNames(2);
    const take = (name: string, ok: boolean) => broken.take({ event: `build-${name}@0`, at: 1, name, system: 'x', ok });
    for (const name of ['a', 'b', 'c']) take(name, false);
    assert.equal(broken.size, 2);
    assert.deepEqual([take('a', true), take('c', true)?.kind, take('b', true)?.kind], [undefined, 'fixed', 'fixed']);
    assert.equal(broken.size, 0);
  });
});
