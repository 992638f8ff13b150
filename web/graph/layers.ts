/** Where nodes are, in columns and rows; rows are no whole numbers. */
export interface Layered {
  readonly columns: Float32Array;
  readonly rows: Float32Array;
  /** How many columns and rows that takes. */
  readonly width: number;
  readonly height: number;
}

/** A layer is no higher than that, and than a graph of so many nodes should be: what is more goes into columns beside each other. */
const leastRows = 12;
/** Times that each layer is ordered by those beside it. */
const sweeps = 6;
const nodesPerStep = 500;

/**
 * Lays a graph out in layers from left to right: what is needed before what needs it, as near to that as it can be, and rows so that edges are
 * short.
 *
 * @param edges pairs: what is needed, and what needs it. Those of a circle are laid out somehow.
 * @yields now and then
 */
export function* inLayers(size: number, edges: ArrayLike<number>): Generator<undefined, Layered> {
  const needs = neighbours(size, edges, 1);
  const needers = neighbours(size, edges, 0);
  yield;
  const layerOf = layersOf(size, needs, needers);
  yield;
  const layers: number[][] = [];
  for (const [node, layer] of layerOf.entries()) {
    while (layers.length <= layer) layers.push([]);
    (layers[layer] as number[]).push(node);
  }
  const most = Math.max(leastRows, Math.ceil(Math.sqrt(2 * size)));
  /** Columns that a layer takes. */
  const broad = layers.map((own) => Math.max(1, Math.ceil(own.length / most)));
  const rows = new Float32Array(size);
  for (const [layer, own] of layers.entries())
    for (const [place, node] of own.entries()) rows[node] = (place - own.length / 2) / (broad[layer] as number);
  const wanted = new Float64Array(size);
  let left = nodesPerStep;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const isBack = sweep % 2 === 0;
    const beside = sweep >= sweeps - 2 ? [needs, needers] : [isBack ? needers : needs];
    for (let at = 0; at < layers.length; at++) {
      const layer = isBack ? layers.length - 1 - at : at;
      const own = layers[layer] as number[];
      place(own, rows, wanted, beside, 1 / (broad[layer] as number), sweep < sweeps - 2);
      left -= own.length;
      if (left > 0) continue;
      left = nodesPerStep;
      yield;
    }
  }
  const columns = new Float32Array(size);
  let [width, top, bottom] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [layer, own] of layers.entries()) {
    const many = broad[layer] as number;
    for (const [index, node] of own.entries()) columns[node] = width + (index % many);
    width += many;
  }
  for (const row of rows) {
    if (row < top) top = row;
    if (row > bottom) bottom = row;
  }
  for (let node = 0; node < size; node++) rows[node] = (rows[node] as number) - top;
  return { columns, rows, width, height: size === 0 ? 0 : bottom - top + 1 };
}

/** Of each node others, side by side: those of `node` are from `start[node]` to `start[node + 1]`. */
export interface Neighbours {
  readonly start: Int32Array;
  readonly of: Int32Array;
}

/** @param end of each pair, of which place neighbours are looked for: 1 gives what is needed, 0 what needs it */
export function neighbours(size: number, edges: ArrayLike<number>, end: 0 | 1): Neighbours {
  const start = new Int32Array(size + 1);
  for (let at = end; at < edges.length; at += 2) {
    const next = (edges[at] as number) + 1;
    start[next] = (start[next] as number) + 1;
  }
  for (let node = 0; node < size; node++) start[node + 1] = (start[node + 1] as number) + (start[node] as number);
  const free = start.slice();
  const of = new Int32Array(edges.length / 2);
  for (let at = 0; at < edges.length; at += 2) {
    const node = edges[at + end] as number;
    const place = free[node] as number;
    of[place] = edges[at + 1 - end] as number;
    free[node] = place + 1;
  }
  return { start, of };
}

/** How many that are. */
const manyOf = ({ start }: Neighbours, node: number): number => (start[node + 1] as number) - (start[node] as number);

export const allOf = ({ start, of }: Neighbours, node: number): Int32Array =>
  of.subarray(start[node] as number, start[node + 1] as number);

/** One before the first that needs it; what nothing needs is one after the last that it needs. */
function layersOf(size: number, needs: Neighbours, needers: Neighbours): Int32Array {
  const layers = new Int32Array(size);
  const lacks = new Int32Array(size);
  const order: number[] = [];
  for (let node = 0; node < size; node++) {
    lacks[node] = manyOf(needs, node);
    if (lacks[node] === 0) order.push(node);
  }
  for (const node of order)
    for (let at = needers.start[node] as number; at < (needers.start[node + 1] as number); at++) {
      const needer = needers.of[at] as number;
      layers[needer] = Math.max(layers[needer] as number, (layers[node] as number) + 1);
      lacks[needer] = (lacks[needer] as number) - 1;
      if (lacks[needer] === 0) order.push(needer);
    }
  for (let index = order.length - 1; index >= 0; index--) {
    const node = order[index] as number;
    let layer = size;
    for (let at = needers.start[node] as number; at < (needers.start[node + 1] as number); at++)
      layer = Math.min(layer, (layers[needers.of[at] as number] as number) - 1);
    if (layer < size) layers[node] = Math.max(0, layer);
  }
  return layers;
}

/** Puts nodes of a layer where those beside it are in the mean, at least `gap` from each other, in that order or the one that they have. */
function place(
  own: number[],
  rows: Float32Array,
  wanted: Float64Array,
  beside: readonly Neighbours[],
  gap: number,
  mayReorder: boolean,
): void {
  for (const node of own) {
    let [sum, many] = [0, 0];
    for (const { start, of } of beside)
      for (let at = start[node] as number; at < (start[node + 1] as number); at++) {
        sum += rows[of[at] as number] as number;
        many++;
      }
    wanted[node] = many === 0 ? (rows[node] as number) : sum / many;
  }
  if (mayReorder) own.sort((a, b) => (wanted[a] as number) - (wanted[b] as number) || a - b);
  // Those that would lie on each other become a block around their mean, which takes in those that it meets.
  const blocks: { sum: number; many: number; first: number }[] = [];
  for (const [index, node] of own.entries()) {
    let block = { sum: (wanted[node] as number) - index * gap, many: 1, first: index };
    for (let last = blocks.at(-1); last && last.sum / last.many > block.sum / block.many; last = blocks.at(-1)) {
      block = { sum: last.sum + block.sum, many: last.many + block.many, first: last.first };
      blocks.pop();
    }
    blocks.push(block);
  }
  for (const { sum, many, first } of blocks)
    for (let index = first; index < first + many; index++) rows[own[index] as number] = sum / many + index * gap;
}
