import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { drover, onEvent } from '../live.ts';
import { clock } from '../past/clock.ts';

const minute = 60_000;
const minutes = 180;

interface Ended {
  /** Since when it is known. */
  readonly since: number;
  readonly succeeded: Map<number, number>;
  readonly failed: Map<number, number>;
}

/** Builds that ended, by minute, over the last three hours or as far back as the last thousand go; it goes on as they end. */
export function EndedChart() {
  const place = useRef<HTMLDivElement>(null);
  const [summary, setSummary] = useState('');

  useEffect(() => {
    const holder = place.current as HTMLDivElement;
    const ended: { current: Ended } = { current: { since: clock(), succeeded: new Map(), failed: new Map() } };
    const seen = new Set<string>();
    let isGone = false;
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
      const now = Math.floor(clock() / minute);
      const { since, succeeded, failed } = ended.current;
      const from = Math.max(now - minutes, Math.floor(since / minute));
      const at = Array.from({ length: now - from + 1 }, (_, n) => from + n);
      const of = (counts: Map<number, number>): number[] => at.map((one) => counts.get(one) ?? 0);
      const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
      const [good, bad] = [of(succeeded), of(failed)];
      chart.setData([at.map((one) => one * 60), good, bad]);
      setSummary(`In the last ${at.length} minutes ${sum(good)} builds succeeded and ${sum(bad)} failed.`);
    }
    function note(id: string, how: 'succeeded' | 'failed', at: number): void {
      if (seen.has(id)) return;
      seen.add(id);
      const counts = ended.current[how];
      const when = Math.floor(at / minute);
      counts.set(when, (counts.get(when) ?? 0) + 1);
    }
    async function load(): Promise<void> {
      const since = clock() - minutes * minute;
      const { rows } = await drover.listBuilds({ state: ['succeeded', 'failed'], since, limit: 1000 });
      const oldest = rows.length < 1000 ? since : Math.min(...rows.map(({ changedAt }) => changedAt));
      ended.current = { ...ended.current, since: Math.max(since, oldest) };
      for (const { id, state, endedAt } of rows) if (endedAt !== null) note(id, state as 'failed', endedAt);
      if (!isGone) draw();
    }
    load().catch(() => {});
    const off = onEvent(({ type, stream, time }) => {
      if (type !== 'drover.BuildSucceeded' && type !== 'drover.BuildFailed') return;
      note(stream.slice('build-'.length), type === 'drover.BuildFailed' ? 'failed' : 'succeeded', Date.parse(time));
      draw();
    });
    const timer = setInterval(draw, 10_000);
    const resize = new ResizeObserver(() => chart.setSize({ width: holder.clientWidth, height: 190 }));
    resize.observe(holder);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const redraw = (): void => chart.redraw();
    scheme.addEventListener('change', redraw);
    return () => {
      isGone = true;
      off();
      clearInterval(timer);
      resize.disconnect();
      scheme.removeEventListener('change', redraw);
      chart.destroy();
    };
  }, []);

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
