import type { Forest, Node } from './forest.ts';

/** Where a node is: how far from what has nothing below it, and how far down. */
export interface Place<Each> {
  readonly node: Each;
  readonly layer: number;
  /** Of what has several below it, between the first and the last of them: no whole number then. */
  readonly row: number;
}

export interface Edge<Each> {
  readonly from: Place<Each>;
  readonly to: Place<Each>;
}

export interface Layout<Each> {
  /** What is below before what is above it. */
  readonly places: readonly Place<Each>[];
  readonly edges: readonly Edge<Each>[];
  readonly layers: number;
  readonly rows: number;
}

/**
 * Lays a forest out in layers: what has nothing below it in layer 0, each in rows of its own, and all others one layer further than the
 * furthest below them. What is below a node has rows that nothing else has, so that no line crosses another.
 */
export function layOut<Each extends Node>({ roots, below }: Forest<Each>): Layout<Each> {
  const places: Place<Each>[] = [];
  const edges: Edge<Each>[] = [];
  let rows = 0;
  let layers = 0;
  interface Open {
    readonly node: Each;
    readonly under: readonly Each[];
    readonly placed: Place<Each>[];
  }
  const open = (node: Each): Open => ({ node, under: below(node.id), placed: [] });
  for (const root of roots) {
    // A stack of its own, as a chain may be as long as there are nodes.
    const way = [open(root)];
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const { node, under, placed } = at;
      const next = under[placed.length];
      if (next !== undefined) {
        way.push(open(next));
        continue;
      }
      const [first, last] = [placed[0], placed.at(-1)];
      const place: Place<Each> = {
        node,
        layer: placed.reduce((most, { layer }) => Math.max(most, layer + 1), 0),
        row: first === undefined || last === undefined ? rows++ : (first.row + last.row) / 2,
      };
      places.push(place);
      for (const from of placed) edges.push({ from, to: place });
      layers = Math.max(layers, place.layer + 1);
      way.pop();
      way.at(-1)?.placed.push(place);
    }
  }
  return { places, edges, layers, rows };
}

/** What is looked at, in layers and rows. */
export interface Section {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** What of a layout is to be drawn to show a section of it. */
export function seenOf<Each>(
  { places, edges }: Layout<Each>,
  { left, right, top, bottom }: Section,
): Pick<Layout<Each>, 'places' | 'edges'> {
  return {
    places: places.filter(({ layer, row }) => layer >= left && layer <= right && row >= top && row <= bottom),
    edges: edges.filter(
      ({ from, to }) =>
        to.layer >= left &&
        from.layer <= right &&
        Math.max(from.row, to.row) >= top &&
        Math.min(from.row, to.row) <= bottom,
    ),
  };
}
