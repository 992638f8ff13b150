import type { Overview } from 'drover/client';
import { MinuteChart } from './minute-chart.tsx';

const minute = 60_000;
const lines = [
  { label: 'succeeded a minute', colour: 'good' },
  { label: 'failed a minute', colour: 'bad' },
];

/** Builds that ended, by minute, over the last three hours; it goes on as they end. */
export function EndedChart({ ended }: { readonly ended: Overview['ended'] | undefined }) {
  return (
    <section aria-labelledby="ended">
      <h2 id="ended">Ended</h2>
      <MinuteChart
        lines={lines}
        // What has not changed is the same list.
        changed={ended}
        of={
          ended &&
          ((minutes) => {
            const [good, bad] = (['succeeded', 'failed'] as const).map((how) => {
              const counts = new Map(ended.map((row) => [Math.floor(row.at / minute), row[how]]));
              return minutes.map((one) => counts.get(one) ?? 0);
            }) as [number[], number[]];
            const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
            return {
              lines: [good, bad],
              summary: `In the last three hours ${sum(good)} builds succeeded and ${sum(bad)} failed.`,
            };
          })
        }
      />
    </section>
  );
}
