import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoreItem } from '../../domain/item/events.ts';
import { createAvailability } from '../../projections/availability.ts';
import { createGraph } from '../../projections/graph.ts';
import { createItemDetails } from '../../projections/item-details.ts';

const nix32 = (digit: string): string => `sha256:${digit.repeat(52)}`;
const [a, b, c] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(32)}-${letter}`) as [string, string, string];
const thing = (references: string[], signature = 'k:AA=='): StoreItem => ({
  path: a,
  narHash: nix32('0'),
  narSize: 1,
  references,
  file: { hash: nix32('0'), size: 1, compression: 'none' },
  signatures: [signature],
});

test('what is said of an item is the same object until anything of it changes', () => {
  const graph = createGraph();
  const availability = createAvailability(graph, () => undefined);
  const details = createItemDetails(graph, availability);
  const item = availability.add(a, [b]);
  details.set(item, thing([b]), 0);
  const first = details.get(item);
  assert.deepEqual(first, thing([b]));
  assert.equal(details.get(item), first);

  details.set(item, thing([b], 'k:AQ=='), 0);
  const signed = details.get(item);
  assert.deepEqual(signed, thing([b], 'k:AQ=='));
  assert.equal(details.get(item), signed);

  // It is unpublished, and an upstream has another of that name: there are other references from now on.
  availability.remove(item);
  availability.find(a, [c]);
  assert.deepEqual(details.get(item)?.references, [c]);

  details.clear(item);
  assert.equal(details.get(item), undefined);
  details.set(item, thing([c]), 0);
  assert.deepEqual(details.get(item), thing([c]));
});

test('what is kept of them is bounded', () => {
  const graph = createGraph();
  const availability = createAvailability(graph, () => undefined);
  const details = createItemDetails(graph, availability);
  const items = Array.from({ length: 5000 }, (_, n) => availability.add(`${String(n).padStart(32, '0')}-x`, []));
  for (const item of items) details.set(item, thing([]), 0);
  const [first] = items.map((item) => details.get(item));
  const [item, last] = [items[0] as number, items.at(-1) as number];
  assert.equal(details.get(last), details.get(last));
  assert.notEqual(details.get(item), first);
  assert.deepEqual(details.get(item), first);
});
