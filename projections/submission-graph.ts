import { hashPartLength } from '../domain/store/store-path.ts';
import { type BuildRecord, buildId } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Drv } from './graph.ts';
import { partsByName } from './name-parts.ts';
import { buildStateOf, outlookStates } from './outlook.ts';
import { createPace, type Pace } from './pace.ts';

/** What builds of a submission are at, and how they ended. */
export const graphStates = [...outlookStates, 'succeeded', 'failed', 'canceled'] as const;
export type GraphState = (typeof graphStates)[number];

/** Builds that are shown each by itself: where there are more, they are shown in parts. */
export const mostGraphNodes = 5000;
/** Parts of what is more: as many as one can look at. */
export const mostGraphParts = 80;
/** Edges to a part, from those that it needs most of: all of them would be a tangle. */
const mostPartInputs = 3;

/** The builds of a submission, and what waits for what. */
export interface SubmissionGraph {
  /** When states were so, milliseconds since the Unix epoch. */
  readonly at: number;
  /** Another one where `nodes`, `parts` or `edges` are others. */
  readonly shape: string;
  /** Derivations of all `nodes` and `parts`. */
  readonly builds: number;
  /** The last build of each derivation; absent where whoever asked has them already. */
  readonly nodes?: readonly GraphNode[];
  readonly parts?: readonly GraphPart[];
  /** Pairs: what is needed, and what needs it, by their places among the nodes and, after these, the parts. */
  readonly edges?: readonly number[];
  /** Of each node, its place in {@link graphStates}. */
  readonly states: readonly number[];
  /** Of each part, how many of its builds are at each of {@link graphStates}. */
  readonly partStates: readonly (readonly number[])[];
}

export interface GraphNode {
  readonly build: string;
  /** Base name. */
  readonly derivation: string;
}

/** Builds whose names, followed by a blank and their hash parts, begin with the same. */
export interface GraphPart {
  readonly prefix: string;
  readonly builds: number;
}

/** What of a graph stays as long as there are no other builds. */
export interface GraphShape extends Required<Pick<SubmissionGraph, 'shape' | 'nodes' | 'parts' | 'edges'>> {
  /** Of each build, its place among the nodes and parts; -1 of one that is not shown. */
  readonly placeOf: Int32Array;
  readonly builds: number;
}

/**
 * An edge that other edges say already is left out: of forty thousand between the builds of a desktop, seven thousand are left.
 *
 * @param builds those of the submission, and those that it joined
 * @param part only those of the part with this prefix; all of them where it is empty
 * @param known what was worked out for the same part before, if anything
 * @yields now and then, so that whoever asks can let others have their turn
 */
export function* submissionGraph(
  farm: Farm,
  builds: readonly BuildRecord[],
  part: string,
  known: GraphShape | undefined,
  now: number,
  most = { nodes: mostGraphNodes, parts: mostGraphParts },
  pace = createPace(),
): Generator<undefined, { readonly shape: GraphShape; readonly graph: SubmissionGraph }> {
  const name = yield* nameOf(builds, pace);
  const shape = known?.shape === name ? known : yield* shapeOf(farm, builds, part, name, most, pace);
  const { nodes, parts, edges, placeOf } = shape;
  const states = new Array<number>(nodes.length).fill(0);
  const partStates = parts.map(() => graphStates.map(() => 0));
  for (const [index, build] of builds.entries()) {
    const place = placeOf[index] as number;
    if (place === -1) continue;
    const state = graphStates.indexOf(buildStateOf(farm, build));
    if (place < nodes.length) states[place] = state;
    else {
      const counts = partStates[place - nodes.length] as number[];
      counts[state] = (counts[state] as number) + 1;
    }
    pace.followed();
    if (pace.isOver()) yield;
  }
  return { shape, graph: { at: now, shape: name, builds: shape.builds, nodes, parts, edges, states, partStates } };
}

/** Of some builds in that order: a hash of 64 bits. */
function* nameOf(builds: readonly BuildRecord[], pace: Pace): Generator<undefined, string> {
  let [low, high] = [builds.length, 0x811c9dc5];
  for (const { order, drv } of builds) {
    low = Math.imul(low ^ order, 0x85ebca6b);
    low ^= low >>> 13;
    high = Math.imul(high ^ drv ^ low, 0x01000193);
    pace.followed();
    if (pace.isOver()) yield;
  }
  return [low, high].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

/** What is shown as one. */
interface Group {
  /** Of a part; absent of a build that is shown by itself. */
  readonly prefix?: string;
  readonly drvs: readonly Drv[];
  /** How deep they are, in the mean. */
  readonly depth: number;
}

function* shapeOf(
  { graph }: Farm,
  builds: readonly BuildRecord[],
  part: string,
  name: string,
  most: { readonly nodes: number; readonly parts: number },
  pace: Pace,
): Generator<undefined, GraphShape> {
  /** The last build of each derivation. */
  const last = new Map<Drv, number>();
  const keys = new Map<Drv, string>();
  for (const [index, { drv }] of builds.entries()) {
    pace.followed();
    if (pace.isOver()) yield;
    const key = keyOf(graph.drvPath(drv));
    if (!key.startsWith(part)) continue;
    last.set(drv, index);
    keys.set(drv, key);
  }
  const drvs = [...last.keys()];
  const isWhole = drvs.length <= most.nodes;
  const groups: Group[] = [];
  const shown = isWhole
    ? drvs.map((_, at) => ({ prefix: '', members: [at] }))
    : yield* partsByName([...keys.values()], most.parts, pace);
  for (const { prefix, members } of shown) {
    const own: Drv[] = [];
    let depth = 0;
    for (const member of members) {
      const drv = drvs[member] as Drv;
      own.push(drv);
      depth += graph.depth(drv);
      pace.followed();
      if (pace.isOver()) yield;
    }
    groups.push({ ...(own.length > 1 && { prefix }), drvs: own, depth: depth / own.length });
  }
  // Whatever is needed comes before what needs it; in parts, what is needed for the most part.
  groups.sort((a, b) => a.depth - b.depth);
  const groupOf = new Map<Drv, number>();
  for (const [group, { drvs: own }] of groups.entries())
    for (const drv of own) {
      groupOf.set(drv, group);
      pace.followed();
      if (pace.isOver()) yield;
    }

  const pick = isWhole ? whatNothingElseSays(groups.length) : whatIsNeededMost;
  const pairs: number[] = [];
  for (const [group, { drvs: own }] of groups.entries()) {
    /** How often each is needed. */
    const needed = new Map<number, number>();
    for (const drv of own) {
      graph.eachNeed(drv, (item) => {
        pace.followed();
        graph.eachProducer(item, (producer) => {
          const from = groupOf.get(producer);
          if (from !== undefined && from < group) needed.set(from, (needed.get(from) ?? 0) + 1);
          return undefined;
        });
      });
      if (pace.isOver()) yield;
    }
    for (const from of pick(needed, group)) pairs.push(from, group);
  }

  // Nodes first, then parts.
  const nodes: GraphNode[] = [];
  const parts: GraphPart[] = [];
  let next = groups.reduce((sum, { prefix }) => sum + (prefix === undefined ? 1 : 0), 0);
  const places: number[] = [];
  for (const { prefix, drvs: own } of groups) {
    if (prefix === undefined) {
      const [drv] = own as [Drv];
      const build = builds[last.get(drv) as number] as BuildRecord;
      places.push(nodes.push({ build: buildId(build), derivation: graph.drvPath(drv) }) - 1);
    } else {
      parts.push({ prefix, builds: own.length });
      places.push(next++);
    }
    pace.followed();
    if (pace.isOver()) yield;
  }
  const placeOf = new Int32Array(builds.length).fill(-1);
  for (const [drv, index] of last) {
    placeOf[index] = places[groupOf.get(drv) as number] as number;
    pace.followed();
    if (pace.isOver()) yield;
  }
  return {
    shape: name,
    nodes,
    parts,
    edges: pairs.map((group) => places[group] as number),
    placeOf,
    builds: drvs.length,
  };
}

/** By this they are parted: what says most of a build comes first, and no two are the same. */
const keyOf = (path: string): string => `${path.slice(hashPartLength + 1)} ${path.slice(0, hashPartLength)}`;

/** Of some groups, which ones are needed how often: those that an edge is drawn from. */
type Choice = (needed: ReadonlyMap<number, number>, group: number) => Iterable<number>;

const whatIsNeededMost: Choice = (needed) =>
  Array.from(needed, ([from, times]) => ({ from, times }))
    .sort((a, b) => b.times - a.times || b.from - a.from)
    .slice(0, mostPartInputs)
    .map(({ from }) => from);

/** Those that are not needed by another one that is needed, however far that is. Groups have to come in their order. */
function whatNothingElseSays(groups: number): Choice {
  const words = (groups + 31) >>> 5;
  /** Of each group a bit for each that it needs, over others or not. */
  const below = new Uint32Array(words * groups);
  return (needed, group) => {
    const own = group * words;
    const kept: number[] = [];
    // From what comes last: nothing after it can need it.
    for (const from of [...needed.keys()].sort((a, b) => b - a)) {
      if (((below[own + (from >>> 5)] as number) >>> (from & 31)) & 1) continue;
      kept.push(from);
      for (let word = 0; word < words; word++)
        below[own + word] = (below[own + word] as number) | (below[from * words + word] as number);
      const word = own + (from >>> 5);
      below[word] = (below[word] as number) | (1 << (from & 31));
    }
    return kept;
  };
}
