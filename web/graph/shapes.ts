/** What a build is at has a shape of its own, for those who do not see the colours: corners, where 1 is half its size. */
const corners: Readonly<Record<string, readonly (readonly [x: number, y: number])[]>> = {
  building: polygon([-0.8, -1], [1, 0], [-0.8, 1]),
  fetching: polygon([-0.4, -1], [0.4, -1], [0.4, -0.1], [1, -0.1], [0, 1], [-1, -0.1], [-0.4, -0.1]),
  ready: Array.from({ length: 12 }, (_, n) => [Math.cos((n * Math.PI) / 6), Math.sin((n * Math.PI) / 6)] as const),
  deferred: polygon([-1, -1], [1, -1], [-1, 1], [1, 1]),
  'back-off': polygon([0, -1], [1, 0], [0, 1], [-1, 0]),
  succeeded: polygon([-1, 0.1], [-0.6, -0.3], [-0.25, 0.1], [0.6, -0.8], [1, -0.4], [-0.25, 0.9]),
  failed: polygon([-0.4, -1], [0.4, -1], [1, -0.4], [1, 0.4], [0.4, 1], [-0.4, 1], [-1, 0.4], [-1, -0.4]),
  canceled: polygon([-0.3, -1], [0.3, -1], [0.3, 1], [-0.3, 1]),
  waiting: polygon([-0.8, -0.3], [0.8, -0.3], [0.8, 0.3], [-0.8, 0.3]),
  blocked: polygon(
    ...([
      [-1, -0.6],
      [-0.6, -1],
      [0, -0.4],
      [0.6, -1],
      [1, -0.6],
      [0.4, 0],
      [1, 0.6],
      [0.6, 1],
      [0, 0.4],
      [-0.6, 1],
      [-1, 0.6],
      [-0.4, 0],
    ] as const),
  ),
};

function polygon(...points: readonly (readonly [number, number])[]) {
  return points;
}

/** What of a canvas that takes; its tests run where there is none. */
interface Path {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  closePath(): void;
}

const square = polygon([-1, -1], [1, -1], [1, 1], [-1, 1]);

/** As the path of an SVG, around a place; a state that is not known is a square. */
export function shapePath(state: string, x: number, y: number, radius: number): string {
  const points = corners[state] ?? square;
  return `M${points.map(([right, down]) => `${round(x + right * radius)} ${round(y + down * radius)}`).join('L')}Z`;
}

/** The same in the path that is being made on a canvas. */
export function addShape(into: Path, state: string, x: number, y: number, radius: number): void {
  let isFirst = true;
  for (const [right, down] of corners[state] ?? square) {
    if (isFirst) into.moveTo(x + right * radius, y + down * radius);
    else into.lineTo(x + right * radius, y + down * radius);
    isFirst = false;
  }
  into.closePath();
}

const round = (value: number): number => Math.round(value * 10) / 10;
