import type { Camera, Size } from './camera.ts';
import { allOf } from './layers.ts';
import type { Look } from './look.ts';
import { addLine, type Colours, colourNames, insetOf, outline, paint, readable, type View } from './paint.ts';
import { card, type Scene } from './scene.ts';

/** A graph on a canvas, drawn anew when something of it changes. */
export interface Drawing {
  show(scene: Scene, look: Look): void;
  look(camera: Camera, size: Size): void;
  /** Whatever is marked has a frame, and lines to what it needs and what needs it. */
  mark(node: number | undefined): void;
  /** Colours may have changed. */
  recolour(): void;
  stop(): void;
}

/** As much is drawn beyond each side of what is seen, as shares of that. */
const beyond = 0.4;
/** Milliseconds of drawing between two frames. */
const turnMs = 7;

/** What is drawn is kept on a sheet that is larger than what is seen: moved, it is the sheet that moves, until its end comes near. */
interface Sheet extends View {
  readonly canvas: HTMLCanvasElement;
}

export function createDrawing(canvas: HTMLCanvasElement): Drawing {
  const on = canvas.getContext('2d') as CanvasRenderingContext2D;
  let scene: Scene | undefined;
  let looks: Look | undefined;
  let view: View | undefined;
  let marked: number | undefined;
  let colours = coloursOf(canvas);
  let frame = 0;
  let isStale = false;
  let sheet: Sheet | undefined;
  let next: { readonly sheet: Sheet; readonly steps: Generator<undefined, void> } | undefined;
  /** Of the sheet that was shown before: to be used again. */
  let spare: HTMLCanvasElement | undefined;

  function request(): void {
    if (frame === 0) frame = requestAnimationFrame(draw);
  }

  function begin(): void {
    if (scene === undefined || looks === undefined || view === undefined) return;
    isStale = false;
    const { camera, width, height } = view;
    const [aside, above] = [Math.ceil(width * beyond), Math.ceil(height * beyond)];
    const { scale } = camera;
    const paper = {
      canvas: spare ?? document.createElement('canvas'),
      camera: { scale, x: camera.x - aside / scale, y: camera.y - above / scale },
      width: width + 2 * aside,
      height: height + 2 * above,
    };
    spare = undefined;
    const dense = devicePixelRatio;
    const [broad, high] = [Math.round(paper.width * dense), Math.round(paper.height * dense)];
    if (paper.canvas.width !== broad || paper.canvas.height !== high) {
      paper.canvas.width = broad;
      paper.canvas.height = high;
    }
    const into = paper.canvas.getContext('2d') as CanvasRenderingContext2D;
    into.setTransform(1, 0, 0, 1, 0, 0);
    into.clearRect(0, 0, broad, high);
    inUnits(into, paper.camera, dense);
    next = { sheet: paper, steps: paint(into, scene, looks, colours, paper) };
  }

  function draw(): void {
    frame = 0;
    if (view === undefined) return;
    if (next === undefined && (isStale || sheet === undefined || isAtItsEnd(sheet, view))) begin();
    if (next !== undefined) {
      const until = performance.now() + turnMs;
      let step = next.steps.next();
      while (!step.done && performance.now() < until) step = next.steps.next();
      if (step.done) {
        spare = sheet?.canvas;
        sheet = next.sheet;
        next = undefined;
      }
    }
    lay(view);
    if (next !== undefined || isStale || (sheet !== undefined && isAtItsEnd(sheet, view))) request();
  }

  function lay({ camera }: View): void {
    const dense = devicePixelRatio;
    on.setTransform(1, 0, 0, 1, 0, 0);
    on.clearRect(0, 0, canvas.width, canvas.height);
    if (sheet === undefined) return;
    const zoom = camera.scale / sheet.camera.scale;
    const [right, down] = [sheet.camera.x - camera.x, sheet.camera.y - camera.y].map(
      (units) => units * camera.scale * dense,
    ) as [number, number];
    on.imageSmoothingEnabled = zoom !== 1;
    if (zoom === 1) on.drawImage(sheet.canvas, Math.round(right), Math.round(down));
    else on.drawImage(sheet.canvas, right, down, sheet.canvas.width * zoom, sheet.canvas.height * zoom);
    if (marked !== undefined && scene !== undefined && marked < scene.size) drawMarked(scene, marked, camera, dense);
  }

  function drawMarked(shown: Scene, node: number, camera: Camera, dense: number): void {
    inUnits(on, camera, dense);
    const { scale } = camera;
    on.strokeStyle = colours.text;
    on.lineWidth = 1.5 / scale;
    on.beginPath();
    // Over the lines that are there: beside them they would lead to nothing.
    const inset = (of: number): number => (scale >= readable || looks?.parts.has(of) ? 0 : insetOf(scale));
    const middle = (of: number): number => (shown.y[of] as number) + card.height / 2;
    const line = (from: number, to: number): void => {
      const [left, right] = [(shown.x[from] as number) + card.width - inset(from), (shown.x[to] as number) + inset(to)];
      addLine(on, left, middle(from), right, middle(to), scale);
    };
    for (const needed of allOf(shown.needs, node)) line(needed, node);
    for (const needer of allOf(shown.needers, node)) line(node, needer);
    on.stroke();
    outline(on, shown, node, colours.text, scale >= readable || looks?.parts.has(node) ? undefined : 10 / scale, scale);
  }

  return {
    show(nextScene, nextLook) {
      if (scene !== nextScene) {
        sheet = undefined;
        marked = undefined;
      }
      scene = nextScene;
      looks = nextLook;
      isStale = true;
      request();
    },
    look(camera, { width, height }) {
      const dense = devicePixelRatio;
      const [broad, high] = [Math.round(width * dense), Math.round(height * dense)];
      if (canvas.width !== broad || canvas.height !== high) {
        canvas.width = broad;
        canvas.height = high;
      }
      view = { camera, width, height };
      request();
    },
    mark(node) {
      marked = node;
      request();
    },
    recolour() {
      colours = coloursOf(canvas);
      isStale = true;
      request();
    },
    stop() {
      cancelAnimationFrame(frame);
      frame = -1;
    },
  };
}

function inUnits(on: CanvasRenderingContext2D, { x, y, scale }: Camera, dense: number): void {
  const all = scale * dense;
  on.setTransform(all, 0, 0, all, -x * all, -y * all);
}

/** Whether it does not have all that is seen, or soon would not. */
function isAtItsEnd({ camera: own, width: broad, height: high }: Sheet, { camera, width, height }: View): boolean {
  const { scale } = camera;
  if (own.scale !== scale) return true;
  const near = (beyond / 3) * Math.min(width, height);
  const [left, top] = [(camera.x - own.x) * scale, (camera.y - own.y) * scale];
  return left < near || top < near || left + width > broad - near || top + height > high - near;
}

/** Canvases do not know the variables of a style sheet. */
function coloursOf(canvas: HTMLCanvasElement): Colours {
  const probe = document.createElement('span');
  (canvas.parentElement as HTMLElement).append(probe);
  const found = Object.fromEntries(
    colourNames.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    }),
  );
  probe.remove();
  return found as Colours;
}
