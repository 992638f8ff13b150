import { kindOf } from '../parts/state.tsx';
import type { Camera, Size } from './camera.ts';
import type { Look } from './look.ts';
import { card, type Scene } from './scene.ts';
import { addShape } from './shapes.ts';

/** Below that nothing could be read: only shapes are drawn. */
export const readable = 0.6;
/** Below that not even a name alone could be, in letters of their own size. */
const nameReadable = 0.3;
/** Pixels of these letters: their height, and how far the middle of a name is below that of its shape. */
const nameSize = 10;
const nameDrop = 22;
/** Pixels that a shape and its name take of the way to the next row. */
const nameStep = 30;
/** Half of an average letter, in pixels. */
const halfLetter = 2.75;
/** Below that no bend could be seen. */
const bent = 0.15;
/** Lines, and shapes, that are drawn in one step. */
const linesPerStep = 400;
const shapesPerStep = 600;
const letters = 22;

/** Of the style sheet, as the browser says them. */
export type Colours = Readonly<Record<(typeof colourNames)[number], string>>;
export const colourNames = [
  'good',
  'bad',
  'stuck',
  'work',
  'wait',
  'plain',
  'text',
  'quiet',
  'back',
  'panel',
  'link',
] as const;

/** A part of a drawing as large as that, in pixels. */
export interface View extends Size {
  readonly camera: Camera;
}

/**
 * Draws what is seen: lines first, then what they lead to, by states, as the same colours together cost least.
 *
 * @param on in units, the camera's place in its corner
 * @yields now and then
 */
export function* paint(
  on: CanvasRenderingContext2D,
  scene: Scene,
  look: Look,
  colours: Colours,
  { camera: { x: left, y: top, scale }, width, height }: View,
): Generator<undefined, void> {
  const right = left + width / scale;
  const bottom = top + height / scale;
  const { x, y } = scene;
  const isNear = scale >= readable;
  const radius = radiusOf(scale);
  const reach = Math.max(card.width, radius * 2);
  const isSeen = (node: number): boolean =>
    (x[node] as number) + reach >= left &&
    (x[node] as number) - radius <= right &&
    (y[node] as number) + reach >= top &&
    (y[node] as number) - radius <= bottom;

  const onPath = new Set<number>();
  for (let at = 1; at < look.path.length; at++)
    onPath.add((look.path[at - 1] as number) * scene.size + (look.path[at] as number));
  on.lineJoin = 'round';
  // The more there are, the less each of them says.
  const opacity = isNear ? 0.6 : Math.min(0.6, Math.max(0.15, 1500 / scene.edges.length));
  yield* lines(colours.plain, 1, opacity, (from, to) => !troubles(from, to));
  yield* lines(colours.bad, 1.5, 0.8, troubles);
  yield* pathLines();
  if (!isNear) yield* shapes();
  if (!isNear && scale >= nameReadable && scene.rowStep * scale >= nameStep) yield* names();
  for (let node = 0, many = 0; node < scene.size; node++) {
    if (!isSeen(node) || (!isNear && !look.parts.has(node))) continue;
    drawCard(node);
    many++;
    if (many % 20 === 0) yield;
  }
  for (const node of look.path) if (isSeen(node)) frame(node, colours.link);

  function troubles(from: number, to: number): boolean {
    return look.inTrouble[from] === 1 && look.inTrouble[to] === 1;
  }

  function line(from: number, to: number): boolean {
    const [x0, y0] = [(x[from] as number) + card.width - inset(from), (y[from] as number) + card.height / 2];
    const [x1, y1] = [(x[to] as number) + inset(to), (y[to] as number) + card.height / 2];
    if (Math.max(x0, x1) < left || Math.min(x0, x1) > right || Math.max(y0, y1) < top || Math.min(y0, y1) > bottom)
      return false;
    // Nobody could follow those that only pass.
    if (isNear && !isSeen(from) && !isSeen(to)) return false;
    addLine(on, x0, y0, x1, y1, scale);
    return true;
  }

  /** How far a line goes on between the edges of a card, to the shape that stands for it. */
  function inset(node: number): number {
    return isNear || look.parts.has(node) ? 0 : insetOf(scale);
  }

  function* lines(
    colour: string,
    pixels: number,
    opacity: number,
    which: (from: number, to: number) => boolean,
  ): Generator<undefined, void> {
    const { edges } = scene;
    on.strokeStyle = colour;
    on.globalAlpha = opacity;
    on.lineWidth = pixels / scale;
    on.beginPath();
    for (let at = 0, many = 0; at < edges.length; at += 2) {
      const [from, to] = [edges[at] as number, edges[at + 1] as number];
      if (!which(from, to) || !line(from, to)) continue;
      many++;
      if (many % linesPerStep !== 0) continue;
      on.stroke();
      yield;
      on.beginPath();
    }
    on.stroke();
    on.globalAlpha = 1;
  }

  function* pathLines(): Generator<undefined, void> {
    if (look.path.length < 2) return;
    on.strokeStyle = colours.link;
    on.lineWidth = 3 / scale;
    on.beginPath();
    for (let at = 1; at < look.path.length; at++) line(look.path[at - 1] as number, look.path[at] as number);
    on.stroke();
    yield;
  }

  function* shapes(): Generator<undefined, void> {
    const byState = new Map<string, number[]>();
    for (let node = 0; node < scene.size; node++) {
      if (!isSeen(node) || look.parts.has(node)) continue;
      const state = look.states[node] as string;
      const known = byState.get(state);
      if (known === undefined) byState.set(state, [node]);
      else known.push(node);
    }
    // What matters most is drawn last, over the rest.
    const order = ['plain', 'good', 'wait', 'work', 'stuck', 'bad'];
    const rank = (state: string): number => order.indexOf(kindOf(state));
    for (const [state, nodes] of [...byState].sort(([a], [b]) => rank(a) - rank(b))) {
      on.fillStyle = colours[kindOf(state)];
      for (let first = 0; first < nodes.length; first += shapesPerStep) {
        on.beginPath();
        for (const node of nodes.slice(first, first + shapesPerStep))
          addShape(on, state, (x[node] as number) + card.width / 2, (y[node] as number) + card.height / 2, radius);
        on.fill();
        yield;
      }
    }
  }

  /** Below the shapes, over the lines, as long as the way to the next one is. */
  function* names(): Generator<undefined, void> {
    on.font = `${nameSize / scale}px system-ui, sans-serif`;
    on.textAlign = 'center';
    on.strokeStyle = colours.panel;
    on.lineWidth = 3 / scale;
    on.fillStyle = colours.text;
    const most = (card.width * scale) / halfLetter / 2;
    for (let node = 0, many = 0; node < scene.size; node++) {
      if (!isSeen(node) || look.parts.has(node)) continue;
      const text = shortened(look.labels[node] as string, most);
      const [middle, down] = [(x[node] as number) + card.width / 2, (y[node] as number) + card.height / 2];
      on.strokeText(text, middle, down + nameDrop / scale);
      on.fillText(text, middle, down + nameDrop / scale);
      many++;
      if (many % shapesPerStep === 0) yield;
    }
    on.textAlign = 'start';
  }

  function drawCard(node: number): void {
    const state = look.states[node] as string;
    const part = look.parts.get(node);
    const kind = kindOf(state);
    const [own, down] = [x[node] as number, y[node] as number];
    box(on, own, down);
    on.fillStyle = colours.back;
    on.fill();
    on.strokeStyle = colours[kind];
    on.lineWidth = kind === 'bad' || kind === 'stuck' || kind === 'work' ? 2.5 : 1;
    on.setLineDash(state === 'waiting' ? [5, 3] : []);
    on.stroke();
    on.setLineDash([]);
    if (part !== undefined) {
      const all = part.reduce((sum, [, builds]) => sum + builds, 0);
      let from = own + 2;
      for (const [of, builds] of part) {
        const broad = ((card.width - 4) * builds) / all;
        on.fillStyle = colours[kindOf(of)];
        on.fillRect(from, down + card.height - 9, broad, 7);
        if (kindOf(of) === 'stuck') {
          on.fillStyle = colours.back;
          on.fillRect(from, down + card.height - 6.5, broad, 2);
        }
        from += broad;
      }
    }
    if (part !== undefined && !isNear && scale >= nameReadable) {
      on.fillStyle = colours.text;
      on.font = `${nameSize / scale}px system-ui, sans-serif`;
      on.fillText(shortened(look.labels[node] as string, 34 * scale), own + 6, down + card.height - 13);
    }
    if (!isNear) return;
    on.fillStyle = colours[kind];
    on.beginPath();
    addShape(on, state, own + 15, down + card.height / 2 - (part ? 4 : 0), 7);
    on.fill();
    on.fillStyle = colours.text;
    on.font = '13px system-ui, sans-serif';
    on.fillText(shortened(look.labels[node] as string), own + 30, down + 15);
    on.fillStyle = colours.quiet;
    on.font = '11px system-ui, sans-serif';
    on.fillText(shortened(look.notes[node] as string, 28), own + 30, down + (part ? 26 : 29));
  }

  function frame(node: number, colour: string): void {
    outline(on, scene, node, colour, isNear || look.parts.has(node) ? undefined : radius * 1.5, scale);
  }
}

/** As small as it may be, a shape can be seen; and they grow into each other no more than they have to. */
const radiusOf = (scale: number): number => Math.max(14, Math.min(3.5 / scale, 60));

/** How far a line goes on between the edges of a card, to the shape that stands for it where nothing could be read. */
export const insetOf = (scale: number): number => Math.max(0, card.width / 2 - radiusOf(scale));

/** From what is needed to what needs it, in the path that is being made. */
export function addLine(
  on: CanvasRenderingContext2D,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  scale: number,
): void {
  on.moveTo(x0, y0);
  if (scale < bent) return on.lineTo(x1, y1);
  const bend = Math.max(28, Math.min(160, Math.abs(x1 - x0) / 2));
  on.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
}

const shortened = (text: string, most = letters): string =>
  text.length > most ? `${text.slice(0, Math.floor(most) - 1)}…` : text;

function box(on: CanvasRenderingContext2D, x: number, y: number): void {
  on.beginPath();
  on.roundRect(x, y, card.width, card.height, 6);
}

/** A frame around a card, or around the shape that stands for it. */
export function outline(
  on: CanvasRenderingContext2D,
  { x, y }: Scene,
  node: number,
  colour: string,
  radius: number | undefined,
  scale: number,
): void {
  on.strokeStyle = colour;
  on.lineWidth = Math.max(3, 1.5 / scale);
  if (radius === undefined) box(on, x[node] as number, y[node] as number);
  else {
    on.beginPath();
    on.arc((x[node] as number) + card.width / 2, (y[node] as number) + card.height / 2, radius, 0, 2 * Math.PI);
  }
  on.stroke();
}
