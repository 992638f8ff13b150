import type { DerivationFacts } from '../domain/derivation/events.ts';
import type { Ints } from './column.ts';
import { createMemory, type Memory } from './memory.ts';

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

export function createGraph(memory: Memory = createMemory()): Graph {
  const drvPaths = memory.list<string>('drvPaths');
  const drvByHash = new Map<string, Drv>();
  const itemPaths = memory.list<string>('itemPaths');
  const itemByHash = new Map<string, Item>();
  /** Those whose hash part an item of another name has had before: anybody can write down such a name. */
  const twins = new Map<string, Item>();
  const twinsByHash = new Map<string, Item[]>();

  const classes = memory.list<JobClass>('classes');
  const classByKey = new Map<string, JobClass>();
  const drvClass = memory.ints('drvClass');
  const drvDepth = memory.ints('drvDepth');
  const fixedOutputs = memory.map<Drv, { method: string; hash: string }>('fixedOutputs');

  // Edges derivation → needed item, those of one derivation side by side; and per item a list through `nextNeeder`.
  const needStart = memory.ints('needStart');
  const needItem = memory.ints('needItem');
  const needDrv = memory.ints('needDrv');
  const nextNeeder = memory.ints('nextNeeder');
  const firstNeeder = memory.ints('firstNeeder');

  // The few that came to be known later.
  const addedNeeds = memory.map<Drv, Item[]>('addedNeeds');
  const addedNeeders = memory.map<Item, Drv[]>('addedNeeders');

  // Edges derivation → output, likewise.
  const outputStart = memory.ints('outputStart');
  const outputItem = memory.ints('outputItem');
  const outputDrv = memory.ints('outputDrv');
  const nextProducer = memory.ints('nextProducer');
  const firstProducer = memory.ints('firstProducer');
  const outputNames = memory.list<string>('outputNames');

  memory.part('indices', { save: () => undefined, load: indexAll });

  /** Finds by hash what was loaded. */
  function indexAll(): void {
    for (const [drv, path] of drvPaths.entries()) drvByHash.set(path.slice(0, 32), drv);
    for (const [item, path] of itemPaths.entries()) indexItem(item, path);
    for (const one of classes) classByKey.set(keyOfClass(one), one);
  }

  function indexItem(item: Item, path: string): void {
    const hash = path.slice(0, 32);
    const first = itemByHash.get(hash);
    if (first === undefined) itemByHash.set(hash, item);
    else {
      twins.set(path, item);
      const all = twinsByHash.get(hash);
      if (all === undefined) twinsByHash.set(hash, [first, item]);
      else all.push(item);
    }
  }

  function itemOf(path: string): Item | undefined {
    const item = itemByHash.get(path.slice(0, 32));
    return item === undefined || itemPaths[item] === path ? item : twins.get(path);
  }

  function internItem(path: string): Item {
    const known = itemOf(path);
    if (known !== undefined) return known;
    const item = itemPaths.push(path) - 1;
    indexItem(item, path);
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

  function addNeed(drv: Drv, item: Item): void {
    needItem.push(item);
    needDrv.push(drv);
    nextNeeder.push(at(firstNeeder, item));
    firstNeeder.values[item] = needItem.length - 1;
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

  function outputNamed(drv: Drv, name: string): Item | undefined {
    for (let edge = at(outputStart, drv); edge < end(outputStart, outputItem, drv); edge++)
      if (outputNames[edge] === name) return at(outputItem, edge);
    return undefined;
  }

  /** Adds the edges of one input and returns its depth. */
  function addInput(drv: Drv, input: string): number {
    const from = drvByHash.get(input.slice(0, 32));
    if (from === undefined) throw new Error(`DerivationAdded for ${drvPaths[drv]} came before its input ${input}`);
    const wanted = input.length > 32 ? input.slice(33).split(',') : ['out'];
    for (const name of wanted) {
      const item = outputNamed(from, name);
      if (item === undefined) throw new Error(`${drvPaths[from]} has no output ${name}, which ${drvPaths[drv]} needs`);
      addNeed(drv, item);
    }
    return at(drvDepth, from);
  }

  return {
    get derivations() {
      return drvPaths.length;
    },
    get items() {
      return itemPaths.length;
    },
    drvPath: (drv) => drvPaths[drv] as string,
    drvOf(path) {
      const drv = drvByHash.get(path.slice(0, 32));
      return drv !== undefined && drvPaths[drv] === path ? drv : undefined;
    },
    drvByHash: (hash) => drvByHash.get(hash),
    itemPath: (item) => itemPaths[item] as string,
    itemOf,
    itemByHash: (hash) => itemByHash.get(hash),
    itemsByHash(hash) {
      const first = itemByHash.get(hash);
      return first === undefined ? [] : (twinsByHash.get(hash) ?? [first]);
    },
    internItem,
    jobClass: (drv) => classes[at(drvClass, drv)] as JobClass,
    jobClasses: classes,
    depth: (drv) => at(drvDepth, drv),
    outputs(drv) {
      const found: { name: string; item: Item }[] = [];
      for (let edge = at(outputStart, drv); edge < end(outputStart, outputItem, drv); edge++)
        found.push({ name: outputNames[edge] as string, item: at(outputItem, edge) });
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
        if (visit(at(needDrv, edge))) return;
      if (addedNeeders.size > 0) for (const drv of addedNeeders.get(item) ?? []) if (visit(drv)) return;
    },
    eachProducer(item, visit) {
      for (let edge = at(firstProducer, item); edge !== -1; edge = at(nextProducer, edge))
        if (visit(at(outputDrv, edge))) return;
    },
    add(facts) {
      const hash = facts.path.slice(0, 32);
      if (drvByHash.has(hash)) return undefined;
      const drv = drvPaths.push(facts.path) - 1;
      drvByHash.set(hash, drv);
      drvClass.push(internClass(facts.storeDir, facts.system, facts.features ?? []));
      if (facts.fixed) fixedOutputs.set(drv, facts.fixed);
      outputStart.push(outputItem.length);
      for (const name of Object.keys(facts.outputs)) {
        const item = internItem(facts.outputs[name] as string);
        outputItem.push(item);
        outputDrv.push(drv);
        outputNames.push(name);
        nextProducer.push(at(firstProducer, item));
        firstProducer.values[item] = outputItem.length - 1;
      }
      needStart.push(needItem.length);
      let depth = 0;
      for (const input of facts.inputs) depth = Math.max(depth, addInput(drv, input) + 1);
      for (const source of facts.sources) addNeed(drv, internItem(source));
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

/** The value of a row that is known to be there. */
function at(column: Ints, row: number): number {
  return column.values[row] as number;
}
