import { count } from '../words/format.ts';
import { Bar } from './bar.tsx';
import { kindOf, State } from './state.tsx';

/** How many are in each state: a bar, and the same in words. */
export function Counts({
  label,
  counts,
  none = 'none',
}: {
  readonly label: string;
  readonly counts: Readonly<Record<string, number>>;
  /** In place of a bar that is empty. */
  readonly none?: string;
}) {
  const shares = Object.entries(counts)
    .map(([name, value]) => ({ name, value, kind: kindOf(name) }))
    .sort((a, b) => placeOf(a.name) - placeOf(b.name));
  if (shares.every(({ value }) => value === 0)) return <span class="quiet">{none}</span>;
  return (
    <>
      <Bar label={label} shares={shares} />
      <ul class="counts">
        {shares.map(
          ({ name, value }) =>
            value > 0 && (
              <li key={name}>
                {count(value)} <State state={name} />
              </li>
            ),
        )}
      </ul>
    </>
  );
}

/** What is done comes before what is to come. */
const order = ['succeeded', 'failed', 'canceled', 'running', 'building', 'allocated', 'fetching', 'ready'];
const placeOf = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
