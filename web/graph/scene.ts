import type { Size } from './camera.ts';
import { inLayers, type Neighbours, neighbours } from './layers.ts';

/** Units of a card: pixels, where nothing is made smaller. */
export const card = { width: 196, height: 38 };
const step = { right: 252, down: 48 };
const margin = 16;
/** As broad a drawing is for its height where it can be, and how much farther apart rows are for that at most. */
const usualRatio = 2.2;
const mostSpread = 4;

/** A graph that was laid out: where the left upper corner of each card is, in units. */
export interface Scene extends Size {
  readonly size: number;
  /** Units from one row to the next. */
  readonly rowStep: number;
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Pairs: what is needed, and what needs it. */
  readonly edges: ArrayLike<number>;
  readonly needs: Neighbours;
  readonly needers: Neighbours;
}

/** @yields now and then */
export function* makeScene(size: number, edges: ArrayLike<number>): Generator<undefined, Scene> {
  const { columns, rows, width, height } = yield* inLayers(size, edges);
  const broad = Math.max(0, width - 1) * step.right + card.width;
  const down = Math.min(mostSpread * step.down, Math.max(step.down, broad / usualRatio / Math.max(1, height)));
  return {
    size,
    rowStep: down,
    x: columns.map((column) => margin + column * step.right),
    y: rows.map((row) => margin + row * down),
    width: broad + 2 * margin,
    height: Math.max(0, height - 1) * down + card.height + 2 * margin,
    edges,
    needs: neighbours(size, edges, 1),
    needers: neighbours(size, edges, 0),
  };
}

/** What lies there, or so near; the nearest. */
export function nodeAt({ size, x, y }: Scene, at: { x: number; y: number }, near: number): number | undefined {
  let found: number | undefined;
  let least = near;
  for (let node = 0; node < size; node++) {
    const right = (x[node] as number) - at.x;
    const down = (y[node] as number) - at.y;
    const beside = Math.max(right, -right - card.width, down, -down - card.height, 0);
    if (beside > least || (beside === least && found !== undefined)) continue;
    found = node;
    least = beside;
  }
  return found;
}

/** Where the keys lead from a node: to what it needs, to what needs it, or to the next one above or below it. */
export function nextTo(
  { size, x, y, needs, needers }: Scene,
  node: number,
  way: 'left' | 'right' | 'up' | 'down',
): number | undefined {
  const from = y[node] as number;
  const nearest = (others: Iterable<number>): number | undefined => {
    let found: number | undefined;
    for (const other of others)
      if (found === undefined || Math.abs((y[other] as number) - from) < Math.abs((y[found] as number) - from))
        found = other;
    return found;
  };
  if (way === 'left' || way === 'right') {
    const { start, of } = way === 'left' ? needs : needers;
    return nearest(of.subarray(start[node], start[node + 1]));
  }
  const beside: number[] = [];
  for (let other = 0; other < size; other++)
    if (x[other] === x[node] && (way === 'up' ? (y[other] as number) < from : (y[other] as number) > from))
      beside.push(other);
  return nearest(beside);
}
