import type { Overview } from 'drover/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { clock } from '../past/clock.ts';

const minute = 60_000;
const minutes = 180;

/** Builds that ended, by minute, over the last three hours; it goes on as they end. */
export function EndedChart({ ended }: { readonly ended: Overview['ended'] | undefined }) {
  const place = useRef<HTMLDivElement>(null);
  const redraw = useRef<() => void>(() => undefined);
  const rows = useRef(ended);
  const [summary, setSummary] = useState('');
  rows.current = ended;

  useEffect(() => {
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
          { label: 'succeeded a minute', stroke: () => colorOf(holder, 'good'), width: 2, points: { show: false } },
          { label: 'failed a minute', stroke: () => colorOf(holder, 'bad'), width: 2, points: { show: false } },
        ],
      },
      [[], [], []],
      holder,
    );

    function draw(): void {
      if (rows.current === undefined) return;
      const now = Math.floor(clock() / minute);
      const at = Array.from({ length: minutes }, (_, n) => now - minutes + 1 + n);
      const [good, bad] = (['succeeded', 'failed'] as const).map((how) => {
        const counts = new Map(rows.current?.map((row) => [Math.floor(row.at / minute), row[how]]));
        return at.map((one) => counts.get(one) ?? 0);
      }) as [number[], number[]];
      const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
      chart.setData([at.map((one) => one * 60), good, bad]);
      setSummary(`In the last three hours ${sum(good)} builds succeeded and ${sum(bad)} failed.`);
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
  }, []);
  // What has not changed is the same list.
  useEffect(() => redraw.current(), [ended]);

  return (
    <section aria-labelledby="ended">
      <h2 id="ended">Ended</h2>
      <div class="chart" ref={place} role="img" aria-label={summary} />
    </section>
  );
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
