import type { DerivationFacts } from '../domain/derivation/events.ts';
import { hashPartLength } from '../domain/store/store-path.ts';
import { type Ints, NarrowInts } from './column.ts';
import { createEdges } from './edges.ts';
import { createMemory, type Memory } from './memory.ts';
import { createNameTable, createSeed } from './name-table.ts';
import { createPathTable } from './path-table.ts';

/** Row number of a derivation. Rows of those that were forgotten are used again. */
export type Drv = number;
/** Row number of a store item: an output, a source, or anything that was uploaded. Rows of those that were forgotten are used again. */
export type Item = number;

/** Builds of one class fit the same agents. */
export interface JobClass {
  readonly index: number;
  /** Where that is not the first one of the coordinator. */
  readonly storeDir?: string;
  readonly system: string;
  /** Required system features, sorted. */
  readonly features: readonly string[];
}

/**
 * Derivations and store items and the edges between them, as columns of numbers: a distribution has a million derivations and thirty
 * edges to each, and every decision walks some of them. Derivations go where {@link Graph.forget} is called, with their edges.
 */
export interface Graph {
  /** How many there are. */
  readonly derivations: number;
  /** All of them have lower row numbers than this; some of those may be free. */
  readonly derivationRows: number;
  /** Whether the row is that of a derivation, and not free. */
  isDerivation(row: number): boolean;
  /** All items have lower row numbers than this; some of those may be free. */
  readonly itemRows: number;
  /** Base name of the `.drv`. */
  drvPath(drv: Drv): string;
  drvOf(path: string): Drv | undefined;
  /** By the hash part of its path. */
  drvByHash(hash: string): Drv | undefined;
  itemPath(item: Item): string;
  itemOf(path: string): Item | undefined;
  /** The first that was heard of with this hash part; no honest path has that of another. */
  itemByHash(hash: string): Item | undefined;
  /** All of them, which is one, or none, where nobody made up a name. */
  itemsByHash(hash: string): readonly Item[];
  /** Finds or adds an item by its base name. */
  internItem(path: string): Item;
  jobClass(drv: Drv): JobClass;
  readonly jobClasses: readonly JobClass[];
  /** Longest way down to a derivation without inputs; an input is always less deep than what needs it. */
  depth(drv: Drv): number;
  outputs(drv: Drv): readonly { readonly name: string; readonly item: Item }[];
  eachOutput(drv: Drv, visit: (item: Item) => void): void;
  fixed(drv: Drv): { readonly method: string; readonly hash: string } | undefined;
  /** Store items that a build needs, one call each. */
  eachNeed(drv: Drv, visit: (item: Item) => void): void;
  /** Whether it is among {@link eachNeed}. */
  needs(drv: Drv, item: Item): boolean;
  /** Derivations that need the item; `visit` returns true to stop. */
  eachNeeder(item: Item, visit: (drv: Drv) => boolean | undefined): void;
  /** Whether any derivation needs the item; the same as whether {@link eachNeeder} visits one. */
  isNeeded(item: Item): boolean;
  /** Derivations that have the item as an output: several can have the same fixed output. `visit` returns true to stop. */
  eachProducer(item: Item, visit: (drv: Drv) => boolean | undefined): void;
  /** Adds a derivation whose inputs are there already. Returns undefined if it was there. */
  add(facts: DerivationFacts): Drv | undefined;
  /** From now on the derivation needs the item as well, though its facts do not say so. @returns false if it does already. */
  alsoNeeds(drv: Drv, item: Item): boolean;
  /** What {@link alsoNeeds} has added. */
  addedNeeds(drv: Drv): readonly Item[];
  /**
   * The derivation was never there. Nothing that is there may need an output of it. Items stay, and its row is another's once nothing leads to
   * it any more.
   */
  forget(drv: Drv): void;
  /** Whether no derivation has to do with the item, and no other has its hash part: it may be forgotten. */
  isAlone(item: Item): boolean;
  /** The item was never heard of; its row is another's from now on. It has to be alone. */
  forgetItem(item: Item): void;
}

/** Where an output of what was forgotten led to. */
const unused = -1;
/** Of a row that is free. */
const noClass = -1;
const none = -1;
/** A row may have that many more edges than what it is given to needs, and a quarter. */
const spareEdges = 4;

/** @param firstSeed see {@link createSeed} */
export function createGraph(memory: Memory = createMemory(), firstSeed = 0): Graph {
  const seed = createSeed(memory, firstSeed);
  const packageNames = createNameTable(memory.within('packageNames.'), seed);
  const drvPaths = createPathTable(memory.within('drvs.'), packageNames, seed);
  const itemPaths = createPathTable(memory.within('items.'), packageNames, seed);
  /** Those whose hash part an item of another name has had before: anybody can write down such a name. */
  const twins = memory.map<string, Item>('twins');
  const twinsByHash = memory.map<string, Item[]>('twinsByHash');

  const classes = memory.list<JobClass>('classes');
  const classByKey = new Map<string, JobClass>();
  const drvClass = memory.narrowInts('drvClass');
  const drvDepth = memory.narrowInts('drvDepth');
  const fixedOutputs = memory.map<Drv, { method: string; hash: string }>('fixedOutputs');

  // Edges derivation → needed item, and back; the rows are those of derivations.
  const needEdges = createEdges(release, memory.within('needs.'));

  // The few that came to be known later.
  const addedNeeds = memory.map<Drv, Item[]>('addedNeeds');
  const addedNeeders = memory.map<Item, Drv[]>('addedNeeders');

  // Rows of derivations that were forgotten and nothing leads to any more, by how many edges they have. And rows of items that were.
  const free = memory.map<string, Drv[]>('free');
  const freeItems = memory.list<Item>('freeItems');
  const total = { forgotten: 0 };
  memory.part('total', { save: () => total, load: (saved: typeof total) => void Object.assign(total, saved) });

  // Edges derivation → output, those of one derivation side by side.
  const outputStart = memory.ints('outputStart');
  const outputItem = memory.narrowInts('outputItem');
  const outputName = memory.narrowInts('outputName'); // Its place among all that there are, which are few.
  // And back: the derivation that has an item as an output, -1 where none has, and the others of the few that several have.
  const producer = new NarrowInts();
  const otherProducers = new Map<Item, Drv[]>();
  const names = memory.list<string>('names');
  const placeOfName = new Map<string, number>();

  memory.part('indices', {
    save: () => undefined,
    load() {
      for (const one of classes) classByKey.set(keyOfClass(one), one);
      for (const [place, name] of names.entries()) placeOfName.set(name, place);
      linkAll();
    },
  });

  /** What leads back from items: it follows from the edges, in their order. */
  function linkAll(): void {
    producer.lengthen(itemPaths.length, -1);
    for (let drv = 0; drv < drvPaths.length; drv++) {
      eachOutput(drv, (item) => linkProducer(item, drv));
    }
  }

  function linkProducer(item: Item, drv: Drv): void {
    if (producer.get(item) === -1) producer.set(item, drv);
    else addTo(otherProducers, item, drv);
  }

  function unlinkProducer(item: Item, drv: Drv): void {
    if (producer.get(item) !== drv) return takeFrom(otherProducers, item, drv);
    const other = otherProducers.get(item)?.[0];
    producer.set(item, other ?? -1);
    if (other !== undefined) takeFrom(otherProducers, item, other);
  }

  function placeOf(name: string): number {
    const place = placeOfName.get(name) ?? names.push(name) - 1;
    placeOfName.set(name, place);
    return place;
  }

  function itemOf(path: string): Item | undefined {
    const item = itemPaths.byHash(path);
    return item === undefined || itemPaths.is(item, path) ? item : twins.get(path);
  }

  function internItem(path: string): Item {
    const first = itemPaths.byHash(path);
    const known = first === undefined || itemPaths.is(first, path) ? first : twins.get(path);
    if (known !== undefined) return known;
    const used = freeItems.pop();
    if (used !== undefined) itemPaths.set(used, path);
    const item = used ?? itemPaths.push(path);
    if (first !== undefined) {
      twins.set(path, item);
      const hash = path.slice(0, 32);
      const all = twinsByHash.get(hash);
      if (all === undefined) twinsByHash.set(hash, [first, item]);
      else all.push(item);
    }
    if (used === undefined) producer.push(-1);
    return item;
  }

  function internClass(storeDir: string | undefined, system: string, features: readonly string[]): number {
    const key = keyOfClass({ storeDir, system, features });
    let found = classByKey.get(key);
    if (!found) {
      found = { index: classes.length, ...(storeDir !== undefined && { storeDir }), system, features };
      classes.push(found);
      classByKey.set(key, found);
    }
    return found.index;
  }

  function eachNeed(drv: Drv, visit: (item: Item) => void): void {
    needEdges.eachTarget(drv, visit);
    if (addedNeeds.size > 0) for (const item of addedNeeds.get(drv) ?? []) visit(item);
  }

  function eachOutput(drv: Drv, visit: (item: Item) => void): void {
    const last = end(outputStart, outputItem, drv);
    for (let edge = at(outputStart, drv); edge < last; edge++) {
      const item = outputItem.get(edge);
      if (item >= 0) visit(item); // What was noted of a derivation may be looked at when that was forgotten.
    }
  }

  function needs(drv: Drv, item: Item): boolean {
    let found = false;
    eachNeed(drv, (one) => {
      found ||= one === item;
    });
    return found;
  }

  const end = (start: Ints, edges: { readonly length: number }, drv: Drv): number =>
    drv + 1 < start.length ? at(start, drv + 1) : edges.length;

  /** @param path of what needs it */
  function outputNamed(drv: Drv, name: string, path: string): Item {
    const place = placeOfName.get(name);
    const last = end(outputStart, outputItem, drv);
    for (let edge = at(outputStart, drv); edge < last; edge++)
      if (outputName.get(edge) === place) return outputItem.get(edge);
    throw new Error(`${drvPaths.path(drv)} has no output ${name}, which ${path} needs`);
  }

  /** Where the outputs of inputs begin; {@link none} of one that has none. */
  const firstOutputs: number[] = [];

  /** What the derivation needs, in order, and how deep it is. */
  function needsOf({ path, inputs, sources }: DerivationFacts): { readonly needed: Item[]; readonly depth: number } {
    const needed: Item[] = [];
    let depth = 0;
    const rows = drvPaths.allByHash(inputs);
    for (let place = 0; place < inputs.length; place++) {
      const from = rows[place] as number;
      if (from === -1) throw new Error(`DerivationAdded for ${path} came before its input ${inputs[place]}`);
      depth = Math.max(depth, drvDepth.get(from) + 1);
      const first = at(outputStart, from);
      firstOutputs[place] = first < end(outputStart, outputItem, from) ? first : none;
    }
    const out = placeOfName.get('out');
    for (let place = 0; place < inputs.length; place++) {
      const input = inputs[place] as string;
      const first = firstOutputs[place] as number;
      const isOut = first !== none && input.length === hashPartLength && outputName.get(first) === out;
      if (isOut) needed.push(outputItem.get(first));
      else for (const name of namesOf(input)) needed.push(outputNamed(rows[place] as number, name, path));
    }
    for (const source of sources) needed.push(internItem(source));
    return { needed, depth };
  }

  const shapeOf = (needs: number, outputs: number): string => `${outputs} ${needs}`;

  /** A free row with as many outputs, and not many more edges than that. */
  function takeRow(needs: number, outputs: number): Drv | undefined {
    if (free.size === 0) return undefined;
    const most = needs + (needs >> 2) + spareEdges;
    for (let edges = needs; edges <= most; edges++) {
      const shape = shapeOf(edges, outputs);
      const rows = free.get(shape);
      const row = rows?.pop();
      if (row === undefined) continue;
      if (rows?.length === 0) free.delete(shape);
      return row;
    }
    return undefined;
  }

  function release(drv: Drv): void {
    const shape = shapeOf(needEdges.room(drv), end(outputStart, outputItem, drv) - at(outputStart, drv));
    const rows = free.get(shape);
    if (rows === undefined) free.set(shape, [drv]);
    else rows.push(drv);
  }

  /** Adds a row with room for so many edges. */
  function pushRow(path: string, needs: number, outputs: number): Drv {
    const drv = drvPaths.push(path);
    drvClass.push(noClass);
    drvDepth.push(0);
    outputStart.push(outputItem.length);
    for (const column of [outputItem, outputName]) column.lengthen(outputs, unused);
    needEdges.push(needs);
    return drv;
  }

  return {
    get derivations() {
      return drvPaths.length - total.forgotten;
    },
    get derivationRows() {
      return drvPaths.length;
    },
    isDerivation: (row) => row < drvPaths.length && drvClass.get(row) !== noClass,
    get itemRows() {
      return itemPaths.length;
    },
    drvPath: drvPaths.path,
    drvOf(path) {
      const drv = drvPaths.byHash(path);
      return drv !== undefined && drvPaths.is(drv, path) ? drv : undefined;
    },
    drvByHash: drvPaths.byHash,
    itemPath: itemPaths.path,
    itemOf,
    itemByHash: itemPaths.byHash,
    itemsByHash(hash) {
      const first = itemPaths.byHash(hash);
      return first === undefined ? [] : (twinsByHash.get(hash) ?? [first]);
    },
    internItem,
    jobClass: (drv) => classes[drvClass.get(drv)] as JobClass,
    jobClasses: classes,
    depth: (drv) => drvDepth.get(drv),
    outputs(drv) {
      const found: { name: string; item: Item }[] = [];
      for (let edge = at(outputStart, drv); edge < end(outputStart, outputItem, drv); edge++)
        found.push({ name: names[outputName.get(edge)] as string, item: outputItem.get(edge) });
      return found;
    },
    eachOutput,
    fixed: (drv) => fixedOutputs.get(drv),
    eachNeed,
    needs,
    eachNeeder(item, visit) {
      needEdges.eachRow(item, visit);
      if (addedNeeders.size > 0) for (const drv of addedNeeders.get(item) ?? []) if (visit(drv)) return;
    },
    isNeeded: (item) => needEdges.isTarget(item) || addedNeeders.has(item),
    eachProducer(item, visit) {
      const drv = producer.get(item);
      if (drv === -1 || visit(drv) || otherProducers.size === 0) return;
      for (const other of otherProducers.get(item) ?? []) if (visit(other)) return;
    },
    add(facts) {
      if (drvPaths.byHash(facts.path) !== undefined) return undefined;
      const { needed, depth } = needsOf(facts);
      const outputs = Object.keys(facts.outputs);
      const used = takeRow(needed.length, outputs.length);
      if (used !== undefined) {
        drvPaths.set(used, facts.path);
        total.forgotten--;
      }
      const drv = used ?? pushRow(facts.path, needed.length, outputs.length);
      drvClass.set(drv, internClass(facts.storeDir, facts.system, facts.features ?? []));
      drvDepth.set(drv, depth);
      if (facts.fixed) fixedOutputs.set(drv, facts.fixed);
      let edge = at(outputStart, drv);
      for (const name of outputs) {
        const item = internItem(facts.outputs[name] as string);
        outputItem.set(edge, item);
        outputName.set(edge++, placeOf(name));
        linkProducer(item, drv);
      }
      needEdges.link(drv, needed);
      return drv;
    },
    forget(drv) {
      drvPaths.forget(drv);
      total.forgotten++;
      drvClass.set(drv, noClass);
      fixedOutputs.delete(drv);
      for (const item of addedNeeds.get(drv) ?? []) takeFrom(addedNeeders, item, drv);
      addedNeeds.delete(drv);
      const lastOutput = end(outputStart, outputItem, drv);
      for (let edge = at(outputStart, drv); edge < lastOutput; edge++) {
        unlinkProducer(outputItem.get(edge), drv);
        outputItem.set(edge, unused);
      }
      needEdges.cut(drv);
    },
    isAlone: (item) =>
      !needEdges.isTarget(item) &&
      producer.get(item) === -1 &&
      !addedNeeders.has(item) &&
      (twinsByHash.size === 0 || !twinsByHash.has(itemPaths.path(item).slice(0, hashPartLength))),
    forgetItem(item) {
      itemPaths.forget(item);
      freeItems.push(item);
    },
    alsoNeeds(drv, item) {
      if (needs(drv, item)) return false;
      addTo(addedNeeds, drv, item);
      addTo(addedNeeders, item, drv);
      return true;
    },
    addedNeeds: (drv) => addedNeeds.get(drv) ?? [],
  };
}

/** Outputs that are named behind a hash part. */
const namesOf = (input: string): readonly string[] =>
  input.length === hashPartLength ? ['out'] : input.slice(hashPartLength + 1).split(',');

function takeFrom<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const left = (lists.get(key) ?? []).filter((one) => one !== value);
  if (left.length === 0) lists.delete(key);
  else lists.set(key, left);
}

function addTo<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function keyOfClass({
  storeDir,
  system,
  features,
}: Pick<JobClass, 'system' | 'features'> & { readonly storeDir?: string | undefined }): string {
  return [storeDir ?? '', system, ...features].join('\n');
}

/** The value of a row that is known to be there. */
function at(column: Ints, row: number): number {
  return column.values[row] as number;
}
