import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLoads } from '../../projections/loads.ts';
import { createMemory } from '../../projections/memory.ts';

const minute = 60_000;
const x86 = 'x86_64-linux';

test('what waits and is built is known by system, now and by the minute of three hours', () => {
  const memory = createMemory();
  const loads = createLoads(memory);
  loads.moved(x86, undefined, 'queued', 10 * minute);
  loads.moved(x86, undefined, 'queued', 10 * minute + 5);
  loads.moved(x86, 'queued', 'allocated', 10 * minute + 9);
  loads.moved(x86, 'allocated', 'running', 11 * minute);
  loads.moved('riscv64-linux', undefined, 'queued', 12 * minute);
  loads.moved(x86, 'running', 'succeeded', 190 * minute);
  // A clock that is set back changes the last minute.
  loads.moved(x86, 'queued', 'canceled', 5 * minute);
  assert.deepEqual(loads.now(), {
    [x86]: { queued: 0, building: 0 },
    'riscv64-linux': { queued: 1, building: 0 },
  });
  const last = { at: 190 * minute, systems: { [x86]: { queued: 0, building: 0 } } };
  const riscv = { 'riscv64-linux': { queued: 1, building: 0 } };
  assert.deepEqual(loads.before(191 * minute), [
    { at: 11 * minute, systems: { [x86]: { queued: 1, building: 1 } } },
    { at: 12 * minute, systems: riscv },
    last,
  ]);
  assert.deepEqual(loads.before(192 * minute), [
    { at: 12 * minute, systems: { [x86]: { queued: 1, building: 1 }, ...riscv } },
    last,
  ]);
  assert.deepEqual(loads.before(900 * minute), [{ at: 720 * minute, systems: riscv }]);

  const restored = createMemory();
  const again = createLoads(restored);
  for (const [name, part] of restored.parts) part.load(structuredClone(memory.parts.get(name)?.save()));
  assert.deepEqual(again.before(191 * minute), loads.before(191 * minute));
});

test('systems beyond some are one, as whoever submits names them', () => {
  const loads = createLoads();
  for (let n = 0; n < 100; n++) loads.moved(`system-${n}`, undefined, 'queued', minute);
  for (let n = 0; n < 100; n++) loads.moved(`system-${n}`, 'queued', 'canceled', minute);
  assert.equal(Object.keys(loads.now()).length, 25);
  assert.ok(Object.values(loads.now()).every(({ queued }) => queued === 0));
});
