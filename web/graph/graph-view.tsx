import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { kindOf } from '../parts/state.tsx';
import { count } from '../words/format.ts';
import { type Camera, fitted, moved, zoomed } from './camera.ts';
import { createDrawing, type Drawing } from './drawing.ts';
import { type Look, troubleOf } from './look.ts';
import { readable } from './paint.ts';
import { card, makeScene, nextTo, nodeAt, type Scene } from './scene.ts';
import { shapePath } from './shapes.ts';

/** Pixels that a graph has at most, and at least. */
const [highest, lowest] = [520, 180];
/** Pixels from a shape where a pointer still means it. */
const nearby = 10;

export interface GraphProps {
  readonly size: number;
  /** Pairs of nodes: what is needed, and what needs it. Laid out anew where it is another array. */
  readonly edges: readonly number[];
  readonly look: Omit<Look, 'inTrouble'>;
  /** What is opened by a click, or Enter. */
  readonly open: (node: number) => void;
  /** What is said of the one that is pointed at, or that the keys have led to. */
  readonly describe: (node: number) => ComponentChildren;
}

/** What is needed on the left and what needs it to the right of that; it can be moved and made larger. */
export function GraphView({ size, edges, look, open, describe }: GraphProps) {
  const scene = useScene(size, edges);
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawing = useRef<Drawing | undefined>(undefined);
  const camera = useRef<Camera | undefined>(undefined);
  const [width, setWidth] = useState(0);
  const [marked, setMarked] = useState<number | undefined>(undefined);

  useEffect(() => {
    const element = holder.current as HTMLDivElement;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    const made = createDrawing(canvas.current as HTMLCanvasElement);
    drawing.current = made;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', made.recolour);
    return () => {
      observer.disconnect();
      dark.removeEventListener('change', made.recolour);
      made.stop();
    };
  }, []);

  const height =
    scene === undefined || width === 0
      ? lowest
      : Math.round(Math.min(highest, Math.max(lowest, scene.height * Math.min(1, width / scene.width))));
  const window = { width: Math.max(1, width), height };
  const all = (): Camera => fitted(scene as Scene, window);

  useEffect(() => {
    camera.current = undefined;
    setMarked(undefined);
  }, [scene]);
  useEffect(() => {
    if (scene === undefined || width === 0) return;
    camera.current ??= all();
    drawing.current?.look(camera.current, window);
  }, [scene, width, height]);
  useEffect(() => {
    if (scene === undefined || look.states.length !== scene.size) return;
    drawing.current?.show(scene, { ...look, inTrouble: troubleOf(look.states, scene.needers) });
  }, [scene, look]);
  useEffect(() => drawing.current?.mark(marked), [marked, scene]);

  function change(next: (now: Camera) => Camera): void {
    if (scene === undefined) return;
    camera.current = next(camera.current ?? all());
    drawing.current?.look(camera.current, window);
  }
  const middle = { x: window.width / 2, y: height / 2 };
  const zoom = (factor: number, at = middle): void => change((now) => zoomed(now, factor, at));
  const move = (right: number, down: number): void => change((now) => moved(now, right, down));

  /** The middle of a card, in pixels of the window. */
  function placeOf(node: number, { x, y, scale }: Camera): { x: number; y: number } {
    const { x: across, y: down } = scene as Scene;
    return {
      x: ((across[node] as number) + card.width / 2 - x) * scale,
      y: ((down[node] as number) + card.height / 2 - y) * scale,
    };
  }
  function show(node: number): void {
    setMarked(node);
    change((now) => {
      const { x, y } = placeOf(node, now);
      const isThere = x > 40 && y > 20 && x < window.width - 40 && y < height - 20;
      return isThere ? now : moved(now, x - middle.x, y - middle.y);
    });
  }
  function pressed(event: KeyboardEvent): void {
    if (scene === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const lead = (way: 'left' | 'right' | 'up' | 'down') => () => {
      const next = marked === undefined ? nodeNear(middle, Number.POSITIVE_INFINITY) : nextTo(scene, marked, way);
      if (next !== undefined) show(next);
    };
    const keys: Readonly<Record<string, () => void>> = {
      ArrowLeft: lead('left'),
      ArrowRight: lead('right'),
      ArrowUp: lead('up'),
      ArrowDown: lead('down'),
      Enter: () => marked !== undefined && open(marked),
      Escape: () => setMarked(undefined),
      '+': () => zoom(1.25, marked === undefined ? middle : placeOf(marked, camera.current ?? all())),
      '-': () => zoom(0.8, marked === undefined ? middle : placeOf(marked, camera.current ?? all())),
      0: () => change(all),
    };
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }
  function nodeNear(at: { x: number; y: number }, pixels: number): number | undefined {
    const now = camera.current;
    if (scene === undefined || now === undefined) return undefined;
    return nodeAt(scene, { x: now.x + at.x / now.scale, y: now.y + at.y / now.scale }, pixels / now.scale);
  }
  function offset(event: MouseEvent): { x: number; y: number } {
    const { left, top } = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }
  function clicked(event: MouseEvent): void {
    const at = offset(event);
    const node = nodeNear(at, nearby);
    if (node === undefined) return;
    setMarked(node);
    const isLegible = (camera.current?.scale ?? 0) >= readable || look.parts.has(node);
    if (isLegible) open(node);
    else zoom(1 / (camera.current?.scale ?? 1), at);
  }
  const pointers = usePointers({
    zoom,
    move,
    offset,
    hover: (event) => setMarked((before) => nodeNear(offset(event), nearby) ?? before),
  });

  return (
    <div class="graph">
      <div class="graphtools">
        <button type="button" aria-label="Larger" onClick={() => zoom(1.25)}>
          +
        </button>
        <button type="button" aria-label="Smaller" onClick={() => zoom(0.8)}>
          −
        </button>
        <button type="button" onClick={() => change(all)}>
          All of it
        </button>
        <span class="quiet">
          Drag to move, Ctrl and the wheel or two fingers to zoom; with the keys: arrows along the lines, Enter, +, −
          and 0.
        </span>
      </div>
      <div
        ref={holder}
        class="canvas"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys lead through it
        tabIndex={0}
        aria-label={`Graph of ${size} builds and what they need`}
        aria-describedby="graph-marked"
        onKeyDown={pressed}
        onWheel={(event) => {
          if (!event.ctrlKey && !event.metaKey) return;
          event.preventDefault();
          zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, offset(event));
        }}
        {...pointers.handlers}
        onClick={(event) => {
          if (!pointers.wasMoved()) clicked(event);
        }}
      >
        <canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} />
      </div>
      <p id="graph-marked" class="marked" aria-live="polite">
        {scene === undefined
          ? 'It is being laid out.'
          : marked !== undefined && marked < size
            ? describe(marked)
            : `${count(size)} shown.`}
      </p>
      <Legend counts={look.counts} hasPath={look.path.length > 1} />
    </div>
  );
}

/** A graph laid out beside all else that the page does. */
function useScene(size: number, edges: readonly number[]): Scene | undefined {
  const [made, setMade] = useState<{ edges: readonly number[]; scene: Scene } | undefined>(undefined);
  useEffect(() => {
    let isOver = false;
    const steps = makeScene(size, edges);
    void (async () => {
      let step = steps.next();
      for (; !step.done && !isOver; step = steps.next()) await new Promise((resolve) => setTimeout(resolve));
      if (step.done && !isOver) setMade({ edges, scene: step.value });
    })();
    return () => {
      isOver = true;
    };
  }, [size, edges]);
  return made?.edges === edges ? made.scene : undefined;
}

interface Gestures {
  readonly zoom: (factor: number, at: { x: number; y: number }) => void;
  readonly move: (right: number, down: number) => void;
  readonly offset: (event: MouseEvent) => { x: number; y: number };
  readonly hover: (event: PointerEvent) => void;
}

/** One pointer moves, two zoom; whether that was a click is known at its end. */
function usePointers({ zoom, move, offset, hover }: Gestures) {
  const down = useRef(new Map<number, { x: number; y: number }>());
  const hasMoved = useRef(false);
  const end = (event: PointerEvent): void => void down.current.delete(event.pointerId);
  function moves(event: PointerEvent): void {
    const from = down.current.get(event.pointerId);
    if (from === undefined) return hover(event);
    // It was let go of somewhere else.
    if ((event.buttons & 1) === 0) return end(event);
    const to = offset(event);
    const [right, below] = [to.x - from.x, to.y - from.y];
    // A hand shakes: until it is moved on purpose, it is a click.
    if (!hasMoved.current && Math.hypot(right, below) < 5) return;
    if (!hasMoved.current) (event.currentTarget as Element).setPointerCapture(event.pointerId);
    hasMoved.current = true;
    down.current.set(event.pointerId, to);
    const [other] = [...down.current].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    if (other === undefined) return move(-right, -below);
    const apart = (at: { x: number; y: number }): number => Math.max(1, Math.hypot(at.x - other.x, at.y - other.y));
    zoom(apart(to) / apart(from), { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 });
    move(-right / 2, -below / 2);
  }
  return {
    wasMoved: () => hasMoved.current,
    handlers: {
      onPointerDown(event: PointerEvent) {
        if (event.button !== 0) return;
        if (down.current.size === 0) hasMoved.current = false;
        if (down.current.size < 2) down.current.set(event.pointerId, offset(event));
      },
      onPointerMove: moves,
      onPointerUp: end,
      onPointerCancel: end,
    },
  };
}

function Legend({ counts, hasPath }: { readonly counts: Look['counts']; readonly hasPath: boolean }) {
  return (
    <ul class="counts" aria-label="In the graph">
      {Array.from(counts, ([state, own]) => (
        <li key={state}>
          <svg class="mark" aria-hidden="true" viewBox="-8 -8 16 16" width="14" height="14">
            <path class={`shape ${kindOf(state)}`} d={shapePath(state, 0, 0, 7)} />
          </svg>{' '}
          {count(own)} {state.replace('-', ' ')}
        </li>
      ))}
      {hasPath && <li class="pathmark">critical path</li>}
    </ul>
  );
}
