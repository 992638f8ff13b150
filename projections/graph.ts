import type { DerivationFacts } from '../domain/derivation/events.ts';
import { hashPartLength } from '../domain/store/store-path.ts';
import { type Ints, ints } from './column.ts';
import { createMemory, type Memory } from './memory.ts';
import { createNameTable } from './name-table.ts';
import { createPathTable } from './path-table.ts';

/** Row number of a derivation, in the order in which they were added. */
export type Drv = number;
/** Row number of a store item: an output, a source, or anything that was uploaded. */
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
 * edges to each, and every decision walks some of them. Only grows.
 */
export interface Graph {
  readonly derivations: number;
  readonly items: number;
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
  /** Derivations that have the item as an output: several can have the same fixed output. `visit` returns true to stop. */
  eachProducer(item: Item, visit: (drv: Drv) => boolean | undefined): void;
  /** Adds a derivation whose inputs are there already. Returns undefined if it was there. */
  add(facts: DerivationFacts): Drv | undefined;
  /** From now on the derivation needs the item as well, though its facts do not say so. @returns false if it does already. */
  alsoNeeds(drv: Drv, item: Item): boolean;
  /** What {@link alsoNeeds} has added. */
  addedNeeds(drv: Drv): readonly Item[];
}

/** Edges of a block: about as many as a derivation has. */
const blockBits = 5;

/** @param seed see {@link createNameTable} */
export function createGraph(memory: Memory = createMemory(), seed = 0): Graph {
  const packageNames = createNameTable(memory.within('packageNames.'), seed);
  const drvPaths = createPathTable(memory.within('drvs.'), packageNames, seed);
  const itemPaths = createPathTable(memory.within('items.'), packageNames, seed);
  /** Those whose hash part an item of another name has had before: anybody can write down such a name. */
  const twins = memory.map<string, Item>('twins');
  const twinsByHash = memory.map<string, Item[]>('twinsByHash');

  const classes = memory.list<JobClass>('classes');
  const classByKey = new Map<string, JobClass>();
  const drvClass = memory.ints('drvClass');
  const drvDepth = memory.ints('drvDepth');
  const fixedOutputs = memory.map<Drv, { method: string; hash: string }>('fixedOutputs');

  // Edges derivation → needed item, those of one derivation side by side; and per item a list through `nextNeeder`.
  const needStart = memory.ints('needStart');
  const needItem = memory.ints('needItem');
  const nextNeeder = ints();
  const firstNeeder = ints();
  const drvOfBlock = ints(); // Of each block of so many edges, the derivation that the first one is of.

  // The few that came to be known later.
  const addedNeeds = memory.map<Drv, Item[]>('addedNeeds');
  const addedNeeders = memory.map<Item, Drv[]>('addedNeeders');

  // Edges derivation → output, likewise.
  const outputStart = memory.ints('outputStart');
  const outputItem = memory.ints('outputItem');
  const outputDrv = ints();
  const nextProducer = ints();
  const firstProducer = ints();
  const outputName = memory.ints('outputName'); // Its place among all that there are, which are few.
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
    relink(nextNeeder, firstNeeder, needItem);
    relink(nextProducer, firstProducer, outputItem);
    for (let drv = 0; drv < needStart.length; drv++) markBlocks(drv, end(needStart, needItem, drv));
    fill(outputDrv, outputItem.length);
    for (let drv = 0; drv < drvPaths.length; drv++)
      outputDrv.values.fill(drv, at(outputStart, drv), end(outputStart, outputItem, drv));
  }

  /** Without a call for each: there are thirty million. */
  function relink(next: Ints, first: Ints, items: Ints): void {
    fill(first, itemPaths.length);
    fill(next, items.length);
    const { values } = items;
    const [nexts, firsts] = [next.values, first.values];
    for (let edge = 0; edge < items.length; edge++) {
      const item = values[edge] as number;
      nexts[edge] = firsts[item] as number;
      firsts[item] = edge;
    }
  }

  /** Puts the newest edge to an item before the others to it. */
  function link(next: Ints, first: Ints, items: Ints, edge: number): void {
    const item = at(items, edge);
    next.push(at(first, item));
    first.values[item] = edge;
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
    const item = itemPaths.push(path);
    if (first !== undefined) {
      twins.set(path, item);
      const hash = path.slice(0, 32);
      const all = twinsByHash.get(hash);
      if (all === undefined) twinsByHash.set(hash, [first, item]);
      else all.push(item);
    }
    firstNeeder.push(-1);
    firstProducer.push(-1);
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

  /** Notes of the blocks that begin with an edge of the derivation, which has the edges up to `last`, whose it is. */
  function markBlocks(drv: Drv, last: number): void {
    while (drvOfBlock.length << blockBits < last) drvOfBlock.push(drv);
  }

  function addNeed(item: Item): void {
    link(nextNeeder, firstNeeder, needItem, needItem.push(item));
  }

  function eachNeed(drv: Drv, visit: (item: Item) => void): void {
    const last = end(needStart, needItem, drv);
    for (let edge = at(needStart, drv); edge < last; edge++) visit(at(needItem, edge));
    if (addedNeeds.size > 0) for (const item of addedNeeds.get(drv) ?? []) visit(item);
  }

  function needs(drv: Drv, item: Item): boolean {
    let found = false;
    eachNeed(drv, (one) => {
      found ||= one === item;
    });
    return found;
  }

  const end = (start: Ints, edges: Ints, drv: Drv): number =>
    drv + 1 < start.length ? at(start, drv + 1) : edges.length;

  /** The derivation that an edge is of, which lie side by side: looked for from one that is near, as a column of them were a tenth of all memory. */
  function drvOfNeed(edge: number): Drv {
    const block = edge >> blockBits;
    let low = at(drvOfBlock, block);
    let high = block + 1 < drvOfBlock.length ? at(drvOfBlock, block + 1) : needStart.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (at(needStart, middle) <= edge) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function outputNamed(drv: Drv, name: string): Item | undefined {
    const place = placeOfName.get(name);
    const last = end(outputStart, outputItem, drv);
    for (let edge = at(outputStart, drv); edge < last; edge++)
      if (at(outputName, edge) === place) return at(outputItem, edge);
    return undefined;
  }

  function addOutputOf(from: Drv, name: string, drv: Drv): void {
    const item = outputNamed(from, name);
    if (item === undefined)
      throw new Error(`${drvPaths.path(from)} has no output ${name}, which ${drvPaths.path(drv)} needs`);
    addNeed(item);
  }

  /** Adds the edges of one input and returns its depth. */
  function addInput(drv: Drv, input: string): number {
    const from = drvPaths.byHash(input);
    if (from === undefined) throw new Error(`DerivationAdded for ${drvPaths.path(drv)} came before its input ${input}`);
    if (input.length === hashPartLength) addOutputOf(from, 'out', drv);
    else for (const name of input.slice(hashPartLength + 1).split(',')) addOutputOf(from, name, drv);
    return at(drvDepth, from);
  }

  return {
    get derivations() {
      return drvPaths.length;
    },
    get items() {
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
    jobClass: (drv) => classes[at(drvClass, drv)] as JobClass,
    jobClasses: classes,
    depth: (drv) => at(drvDepth, drv),
    outputs(drv) {
      const found: { name: string; item: Item }[] = [];
      for (let edge = at(outputStart, drv); edge < end(outputStart, outputItem, drv); edge++)
        found.push({ name: names[at(outputName, edge)] as string, item: at(outputItem, edge) });
      return found;
    },
    eachOutput(drv, visit) {
      const last = end(outputStart, outputItem, drv);
      for (let edge = at(outputStart, drv); edge < last; edge++) visit(at(outputItem, edge));
    },
    fixed: (drv) => fixedOutputs.get(drv),
    eachNeed,
    needs,
    eachNeeder(item, visit) {
      for (let edge = at(firstNeeder, item); edge !== -1; edge = at(nextNeeder, edge))
        if (visit(drvOfNeed(edge))) return;
      if (addedNeeders.size > 0) for (const drv of addedNeeders.get(item) ?? []) if (visit(drv)) return;
    },
    eachProducer(item, visit) {
      for (let edge = at(firstProducer, item); edge !== -1; edge = at(nextProducer, edge))
        if (visit(at(outputDrv, edge))) return;
    },
    add(facts) {
      if (drvPaths.byHash(facts.path) !== undefined) return undefined;
      const drv = drvPaths.push(facts.path);
      drvClass.push(internClass(facts.storeDir, facts.system, facts.features ?? []));
      if (facts.fixed) fixedOutputs.set(drv, facts.fixed);
      outputStart.push(outputItem.length);
      for (const name of Object.keys(facts.outputs)) {
        const item = internItem(facts.outputs[name] as string);
        outputDrv.push(drv);
        link(nextProducer, firstProducer, outputItem, outputItem.push(item));
        outputName.push(placeOf(name));
      }
      needStart.push(needItem.length);
      let depth = 0;
      for (const input of facts.inputs) depth = Math.max(depth, addInput(drv, input) + 1);
      for (const source of facts.sources) addNeed(internItem(source));
      markBlocks(drv, needItem.length);
      drvDepth.push(depth);
      return drv;
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

/** So many rows of -1. */
function fill(column: Ints, rows: number): void {
  column.values = new Int32Array(rows).fill(-1);
  column.length = rows;
}

/** The value of a row that is known to be there. */
function at(column: Ints, row: number): number {
  return column.values[row] as number;
}
