/** What is looked at: its upper left corner in the units of the drawing, and pixels a unit. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A graph of five thousand is that small where all of it is seen. */
const least = 0.004;
const most = 2;

/** Pixels above and below all of it: names stand below their shapes in letters of one size, however small all else is. */
const nameRoom = 18;

/** All of a drawing within a window, in the middle of it, but no larger than it is. */
export function fitted(drawing: Size, window: Size): Camera {
  const high = window.height - 2 * nameRoom;
  const scale = Math.max(least, Math.min(1, window.width / drawing.width, high / drawing.height));
  return {
    scale,
    x: (drawing.width - window.width / scale) / 2,
    y: (drawing.height - window.height / scale) / 2,
  };
}

/** Nearer by a factor; what is at that pixel of the window stays there. */
export function zoomed(
  { x, y, scale }: Camera,
  factor: number,
  at: { readonly x: number; readonly y: number },
): Camera {
  const next = Math.min(most, Math.max(least, scale * factor));
  return { scale: next, x: x + at.x / scale - at.x / next, y: y + at.y / scale - at.y / next };
}

/** So many pixels on. */
export const moved = ({ x, y, scale }: Camera, right: number, down: number): Camera => ({
  scale,
  x: x + right / scale,
  y: y + down / scale,
});
