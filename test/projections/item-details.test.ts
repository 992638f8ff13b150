import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StoreItem } from '../../domain/item/events.ts';
import { createAvailability } from '../../projections/availability.ts';
import { createGraph } from '../../projections/graph.ts';
import { createItemDetails, type HeldItem } from '../../projections/item-details.ts';
import { createMemory } from '../../projections/memory.ts';
import { loadParts, saveParts } from '../support/farm-parts.ts';

const nix32 = (digit: string): string => `sha256:0${digit.repeat(51)}`;
const [a, b, c] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(32)}-${letter}`) as [string, string, string];
const thing = (references: string[], signature = 'k:AA=='): StoreItem => ({
  path: a,
  narHash: nix32('0'),
  narSize: 1,
  references,
  file: { hash: nix32('0'), size: 1, compression: 'none' },
  signatures: [signature],
});

/** What is to be kept of it. */
function kept({ signatures, ...item }: StoreItem): HeldItem {
  const [, start, rest] = /^([^:]*:.{12})(.*)$/.exec(signatures[0] ?? '') ?? [];
  const isUsual = signatures.length === 1 && /^[A-Za-z0-9+/]{73}[AQgw]==$/.test(rest ?? '');
  return { ...item, signed: isUsual ? { begins: start as string } : { all: signatures } };
}

test('what is said of an item is the same object until anything of it changes', () => {
  const graph = createGraph();
  const availability = createAvailability(graph, () => undefined);
  const details = createItemDetails(graph, availability);
  const item = availability.add(a, [b]);
  details.set(item, thing([b]), 0);
  const first = details.get(item);
  assert.deepEqual(first, kept(thing([b])));
  assert.equal(details.get(item), first);

  details.set(item, thing([b], 'k:AQ=='), 0);
  const signed = details.get(item);
  assert.deepEqual(signed, kept(thing([b], 'k:AQ==')));
  assert.equal(details.get(item), signed);

  // It is unpublished, and an upstream has another of that name: there are other references from now on.
  availability.remove(item);
  availability.find(a, [c]);
  assert.deepEqual(details.get(item)?.references, [c]);

  details.clear(item);
  assert.equal(details.get(item), undefined);
  details.set(item, thing([c]), 0);
  assert.deepEqual(details.get(item), kept(thing([c])));
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

test('signatures of more keys than a byte tells apart are kept as they are', () => {
  const graph = createGraph();
  const availability = createAvailability(graph, () => undefined);
  const details = createItemDetails(graph, availability);
  const things = Array.from({ length: 300 }, (_, n) => ({
    ...thing([], `key-${n}:${Buffer.alloc(64, n).toString('base64')}`),
    path: `${String(n).padStart(32, '0')}-x`,
  }));
  for (const one of things) details.set(availability.add(one.path, []), one, 0);
  for (const [n, one] of things.entries()) {
    const expected = n < 255 ? kept(one) : { ...kept(one), signed: { all: one.signatures } };
    assert.deepEqual(details.get(graph.itemOf(one.path) as number), expected);
  }
});

test('items say what a Map of them would, and are found by their files, also after they were saved and loaded', () => {
  const signature = (n: number) => `cache-${n % 2}:${Buffer.alloc(64, n).toString('base64')}`;
  const kinds: ((n: number, path: string) => Partial<StoreItem>)[] = [
    (n) => ({ signatures: [signature(n)] }),
    (n) => ({ signatures: [signature(n), signature(n + 1)] }),
    () => ({ signatures: [] }),
    () => ({ signatures: ['odd', 'k:AA=='] }),
    () => ({ signatures: [`k:${'A'.repeat(85)}B==`] }), // Bits that no encoder writes.
    (n) => ({ signatures: [signature(n)], guixSignature: Buffer.alloc(96, n).toString('base64') }),
    (n) => ({ deriver: `${'d'.repeat(32)}-${n % 2}.drv`, ca: 'text:sha256:0' }),
    () => ({ storeDir: '/gnu/store', narSize: 2 ** 40 }),
    (_, path) => ({ references: [b, path].sort(), file: { hash: nix32('1'), size: 7, compression: 'zstd' } }),
  ];
  const step = fc.tuple(fc.constantFrom('set', 'set', 'set', 'clear', 'take up again'), fc.nat(7), fc.nat(1000));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const open = () => {
        const memory = createMemory();
        const graph = createGraph(memory.within('graph.'));
        const availability = createAvailability(graph, () => undefined, memory.within('availability.'));
        return {
          memory,
          graph,
          availability,
          details: createItemDetails(graph, availability, memory.within('details.')),
        };
      };
      let farm = open();
      farm.graph.add({ path: `${'d'.repeat(32)}-0.drv`, system: 's', outputs: {}, inputs: [], sources: [] });
      const model = new Map<string, { item: StoreItem; at: number }>();
      for (const [does, which, pick] of steps) {
        const path = `${String(which).padStart(32, '0')}-x`;
        if (does === 'take up again') {
          const again = open();
          loadParts(again.memory.parts, saveParts(farm.memory.parts));
          farm = again;
        } else if (does === 'clear') {
          const item = farm.graph.itemOf(path);
          if (item !== undefined) farm.details.clear(item);
          if (item !== undefined) farm.availability.remove(item);
          model.delete(path);
        } else {
          const file = { hash: nix32('0123'[pick % 4] as string), size: pick, compression: 'none' as const };
          const item = { ...thing([b]), path, file, ...kinds[pick % kinds.length]?.(pick, path) };
          const known = farm.graph.itemOf(path);
          if (known !== undefined) farm.availability.remove(known);
          farm.details.set(farm.availability.add(path, item.references), item, pick);
          model.set(path, { item, at: pick });
        }
        for (let n = 0; n < 8; n++) {
          const one = `${String(n).padStart(32, '0')}-x`;
          const item = farm.graph.itemOf(one);
          const expected = model.get(one);
          if (item === undefined) continue;
          assert.deepEqual(farm.details.get(item), expected && kept(expected.item));
          assert.equal(farm.details.narHash(item), expected?.item.narHash);
          assert.equal(farm.details.addedAt(item), expected?.at ?? 0);
          assert.equal(farm.details.fileSize(item), expected?.item.file.size ?? 0);
        }
        // Files of one hash are one file, and of one size; which of these sizes counts nobody has to know here.
        const files = new Map([...model.values()].map(({ item: { file } }) => [file.hash, file.size]));
        if (new Set([...model.values()].map(({ item: { file } }) => `${file.hash} ${file.size}`)).size === files.size)
          assert.equal(
            farm.details.fileBytes,
            [...files.values()].reduce((sum, size) => sum + size, 0),
          );
        for (const odd of ['', 'sha256:', 'sha256:e', `sha256:${'z'.repeat(52)}`, `sha256:${'0'.repeat(32)}`])
          assert.equal(farm.details.byFile(odd), undefined);
        for (const digit of '01234') {
          const found = farm.details.itemsOfFile(nix32(digit)).map(farm.graph.itemPath);
          const expected = [...model.values()].filter(({ item }) => item.file.hash === nix32(digit));
          assert.deepEqual(found.sort(), expected.map(({ item }) => item.path).sort());
          const one = farm.details.byFile(nix32(digit));
          assert.equal(one !== undefined && found.includes(farm.graph.itemPath(one)), found.length > 0);
        }
      }
    }),
    { numRuns: 40 },
  );
});
