import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { splitName } from '../format.ts';
import { buildLink } from '../links.ts';
import { useNow } from '../loaded.ts';
import { kindOf } from '../parts/state.tsx';
import { goTo } from '../router.ts';
import type { OutlookNode } from '../submission/wait-tree.tsx';
import { type Camera, fitted, moved, zoomed } from './camera.ts';
import type { Forest } from './forest.ts';
import { type Edge, type Layout, layOut, type Place, seenOf } from './layout.ts';
import { shapePath } from './shapes.ts';

/** Pixels of a node, and from one to the next, where nothing is made smaller. */
const card = { width: 196, height: 38 };
const step = { right: 252, down: 48 };
const margin = 16;
/** Below that nothing could be read: only shapes are drawn. */
const readable = 0.6;
/** As large it is at first, where there is more than can be seen: then it begins with what runs. */
const usual = 0.8;
const letters = 21;

/** What runs on the left and what waits for it to the right of it; it can be moved and made larger. The list beside it has the same. */
export function GraphView({ forest }: { readonly forest: Forest<OutlookNode> }) {
  const layout = useMemo(() => layOut(forest), [forest]);
  const holder = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [chosen, choose] = useState<Camera | 'start' | 'all'>('start');
  const drag = useRef<{ x: number; y: number; moved: boolean } | undefined>(undefined);
  useEffect(() => {
    const element = holder.current as HTMLDivElement;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  const drawing = {
    width: (layout.layers - 1) * step.right + card.width + 2 * margin,
    height: Math.max(1, layout.rows - 1) * step.down + card.height + 2 * margin,
  };
  const fill = Math.max(usual, Math.min(1, width / drawing.width));
  const height = Math.min(480, Math.max(180, drawing.height * fill));
  const window = { width: Math.max(1, width), height };
  const all = fitted(drawing, window);
  const start = all.scale >= usual ? all : { x: 0, y: 0, scale: usual };
  const camera = chosen === 'start' ? start : chosen === 'all' ? all : chosen;
  const middle = { x: window.width / 2, y: height / 2 };
  const change = (next: (now: Camera) => Camera): void =>
    choose((now) => next(now === 'start' ? start : now === 'all' ? all : now));
  const zoom = (factor: number, at = middle): void => change((now) => zoomed(now, factor, at));
  const move = (right: number, down: number): void => change((now) => moved(now, right, down));

  function pressed(event: KeyboardEvent): void {
    const keys: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => move(-60, 0),
      ArrowRight: () => move(60, 0),
      ArrowUp: () => move(0, -60),
      ArrowDown: () => move(0, 60),
      '+': () => zoom(1.25),
      '-': () => zoom(0.8),
      0: () => choose('all'),
    };
    const act = keys[event.key];
    if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }
  function dragged(event: PointerEvent): void {
    const from = drag.current;
    if (from === undefined) return;
    // It was let go of somewhere else.
    if ((event.buttons & 1) === 0) {
      drag.current = undefined;
      return;
    }
    const [right, down] = [event.clientX - from.x, event.clientY - from.y];
    // A hand shakes: until it is moved on purpose, it is a click.
    if (!from.moved && Math.hypot(right, down) < 5) return;
    if (!from.moved) holder.current?.setPointerCapture(event.pointerId);
    drag.current = { x: event.clientX, y: event.clientY, moved: true };
    move(-right, -down);
  }
  function clicked(event: MouseEvent): void {
    const wasMoved = drag.current?.moved === true;
    drag.current = undefined;
    if (wasMoved) {
      event.preventDefault();
      return;
    }
    const href = (event.target as Element).closest('a')?.getAttribute('href');
    if (typeof href === 'string') {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      goTo(href);
    } else if (isSmall) zoom(1 / camera.scale, offset(event));
  }
  function offset(event: MouseEvent): { x: number; y: number } {
    const { left, top } = (holder.current as HTMLDivElement).getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  const { places } = layout;
  const isSmall = camera.scale < readable;
  const none = { places: [], edges: [] };
  const section = {
    left: (camera.x - margin - card.width) / step.right,
    right: (camera.x + window.width / camera.scale) / step.right,
    top: (camera.y - margin - card.height) / step.down,
    bottom: (camera.y + height / camera.scale) / step.down,
  };
  const seen = isSmall ? none : seenOf(layout, section);
  return (
    <div class="graph">
      <div class="graphtools">
        <button type="button" aria-label="Larger" onClick={() => zoom(1.25)}>
          +
        </button>
        <button type="button" aria-label="Smaller" onClick={() => zoom(0.8)}>
          −
        </button>
        <button type="button" disabled={chosen === 'start'} onClick={() => choose('start')}>
          From the start
        </button>
        <button type="button" disabled={chosen === 'all'} onClick={() => choose('all')}>
          All of it
        </button>
        <span class="quiet">Drag to move, Ctrl and the wheel to zoom; or arrows, +, − and 0.</span>
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: a drawing that is moved is no fieldset */}
      <div
        ref={holder}
        class="canvas"
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is moved with the keys
        tabIndex={0}
        aria-label={`Graph of ${places.length} builds, what runs on the left; the list that follows has the same`}
        onKeyDown={pressed}
        onWheel={(event) => {
          if (!event.ctrlKey && !event.metaKey) return;
          event.preventDefault();
          zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, offset(event));
        }}
        onPointerDown={(event) => {
          if (event.button === 0) drag.current = { x: event.clientX, y: event.clientY, moved: false };
        }}
        onPointerMove={dragged}
        onPointerCancel={() => {
          drag.current = undefined;
        }}
        onPointerLeave={() => {
          if (drag.current?.moved === false) drag.current = undefined;
        }}
        onClick={clicked}
        onDragStart={(event) => event.preventDefault()}
      >
        {width > 0 && (
          <svg
            aria-hidden="true"
            width={window.width}
            height={height}
            viewBox={`${camera.x} ${camera.y} ${window.width / camera.scale} ${height / camera.scale}`}
          >
            {isSmall ? (
              <Shapes layout={layout} radius={Math.max(14, 4 / nearby(camera.scale))} />
            ) : (
              <>
                <path class="edges" d={seen.edges.map((edge) => edgePath(edge, 0)).join('')} />
                <Cards places={seen.places} />
              </>
            )}
          </svg>
        )}
      </div>
      <Legend places={places} />
    </div>
  );
}

type Placed = Place<OutlookNode>;
const leftOf = ({ layer }: Placed): number => margin + layer * step.right;
const topOf = ({ row }: Placed): number => margin + row * step.down;

/**
 * Along its own row to the gap before the layer where it leads, so that it crosses nothing.
 *
 * @param inwards how far within the nodes it begins and ends
 */
function edgePath({ from, to }: Edge<OutlookNode>, inwards: number): string {
  const [x, y] = [leftOf(from) + card.width - inwards, topOf(from) + card.height / 2];
  const [end, down] = [leftOf(to) + inwards, topOf(to) + card.height / 2];
  const bend = leftOf(to) - (step.right - card.width);
  return `M${x} ${y}H${bend}C${bend + 28} ${y} ${leftOf(to) - 28} ${down} ${leftOf(to)} ${down}H${end}`;
}

/** The same for scales that are not far from each other. */
const nearby = (scale: number): number => 2 ** Math.round(Math.log2(scale));

/** All of it, one path for all of a state: thousands of them are as cheap as a few, and made once however it is moved. */
function Shapes({
  layout: { places, edges },
  radius,
}: {
  readonly layout: Layout<OutlookNode>;
  readonly radius: number;
}) {
  const lines = useMemo(() => edges.map((edge) => edgePath(edge, card.width / 2)).join(''), [edges]);
  const shapes = useMemo(() => {
    const paths = new Map<string, string[]>();
    for (const place of places) {
      const { state } = place.node;
      const known = paths.get(state) ?? [];
      if (known.length === 0) paths.set(state, known);
      known.push(shapePath(state, leftOf(place) + card.width / 2, topOf(place) + card.height / 2, radius));
    }
    return Array.from(paths, ([state, parts]) => [state, parts.join('')] as const);
  }, [places, radius]);
  return (
    <>
      <path class="edges" d={lines} />
      {shapes.map(([state, path]) => (
        <path key={state} class={`shape ${kindOf(state)}`} d={path} />
      ))}
    </>
  );
}

function Cards({ places }: { readonly places: readonly Placed[] }) {
  const now = useNow();
  return (
    <>
      {places.map((place) => {
        const { build, derivation, state, agent, since, before } = place.node;
        const { name } = splitName(derivation);
        const [x, y] = [leftOf(place), topOf(place)];
        const done = since === undefined || !before ? 0 : Math.min(1, Math.max(0, (now - since) / before));
        return (
          <a key={build} href={buildLink(build)} tabindex={-1} class={`card ${kindOf(state)} ${state}`}>
            <title>{`${name}: ${state}`}</title>
            <rect x={x} y={y} width={card.width} height={card.height} rx={6} />
            {done > 0 && <rect class="done" x={x} y={y + card.height - 4} width={card.width * done} height={4} />}
            <path class={`shape ${kindOf(state)}`} d={shapePath(state, x + 15, y + card.height / 2, 7)} />
            <text x={x + 30} y={y + 16}>
              {name.length > letters ? `${name.slice(0, letters - 1)}…` : name}
            </text>
            <text class="small" x={x + 30} y={y + 30}>
              {state.replace('-', ' ')}
              {agent !== undefined && ` on ${agent}`}
            </text>
          </a>
        );
      })}
    </>
  );
}

function Legend({ places }: { readonly places: readonly Placed[] }) {
  const counts = new Map<string, number>();
  for (const { node } of places) counts.set(node.state, (counts.get(node.state) ?? 0) + 1);
  return (
    <ul class="counts" aria-label="In the graph">
      {Array.from(counts, ([state, own]) => (
        <li key={state}>
          <svg class="mark" aria-hidden="true" viewBox="-8 -8 16 16" width="14" height="14">
            <path class={`shape ${kindOf(state)}`} d={shapePath(state, 0, 0, 7)} />
          </svg>{' '}
          {own} {state.replace('-', ' ')}
        </li>
      ))}
    </ul>
  );
}
