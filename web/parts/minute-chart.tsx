import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { clock } from '../past/clock.ts';

const minute = 60_000;
const minutes = 180;

/** What is drawn of some minutes: the numbers of each line, and what they say in a sentence. */
export interface Drawn {
  readonly lines: readonly (readonly (number | null)[])[];
  readonly summary: string;
}

/**
 * Lines over the last three hours; they go on as time does.
 *
 * @param of what is drawn, of minutes since the epoch; `undefined` until that is there: figures are seen before there is a chart
 * @param changed another value where `of` gives other numbers
 */
export function MinuteChart({
  lines,
  of,
  changed,
}: {
  /** `colour`: a class of the style sheet. */
  readonly lines: readonly { readonly label: string; readonly colour: string }[];
  readonly of: ((minutes: readonly number[]) => Drawn) | undefined;
  readonly changed: unknown;
}) {
  const place = useRef<HTMLDivElement>(null);
  const redraw = useRef<() => void>(() => undefined);
  const drawn = useRef(of);
  const [summary, setSummary] = useState('');
  drawn.current = of;
  const isThere = of !== undefined;

  useEffect(() => {
    if (!isThere) return;
    const holder = place.current as HTMLDivElement;
    const chart = new uPlot(
      {
        width: holder.clientWidth,
        height: 190,
        cursor: { drag: { x: false, y: false } },
        legend: { live: false },
        scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
        axes: [
          { stroke: () => colorOf(holder, 'quiet'), grid: { show: false }, ticks: { show: false }, values: clocks },
          {
            stroke: () => colorOf(holder, 'quiet'),
            grid: { stroke: () => colorOf(holder, 'faint-line'), width: 1 },
            ticks: { show: false },
            incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000],
          },
        ],
        series: [
          {},
          ...lines.map(({ label, colour }) => ({
            label,
            stroke: () => colorOf(holder, colour),
            width: 2,
            points: { show: false },
          })),
        ],
      },
      [[], ...lines.map(() => [])],
      holder,
    );

    function draw(): void {
      const now = Math.floor(clock() / minute);
      const at = Array.from({ length: minutes }, (_, n) => now - minutes + 1 + n);
      const found = drawn.current?.(at);
      if (found === undefined) return;
      chart.setData([at.map((one) => one * 60), ...found.lines.map((line) => [...line])]);
      setSummary(found.summary);
    }
    redraw.current = draw;
    draw();
    const timer = setInterval(draw, 10_000);
    const resize = new ResizeObserver(() => chart.setSize({ width: holder.clientWidth, height: 190 }));
    resize.observe(holder);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const recolour = (): void => chart.redraw();
    scheme.addEventListener('change', recolour);
    return () => {
      clearInterval(timer);
      resize.disconnect();
      scheme.removeEventListener('change', recolour);
      chart.destroy();
    };
  }, [isThere]);
  useEffect(() => redraw.current(), [changed]);

  return <div class="chart" ref={place} role="img" aria-label={summary} />;
}

const clocks = (_: uPlot, times: readonly number[]): string[] =>
  times.map((seconds) => {
    const date = new Date(seconds * 1000);
    return `${date.getHours()}:${String(date.getMinutes()).padStart(2, '0')}`;
  });

/** The colour of a class as it is in this scheme: what is drawn on a canvas knows no style sheet. */
function colorOf(holder: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.className = name;
  holder.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
