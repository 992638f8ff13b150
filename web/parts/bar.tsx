import type { Kind } from './state.tsx';

export interface Share {
  /** `none`: nothing is drawn there. */
  readonly kind: Kind | 'none';
  readonly name: string;
  readonly value: number;
}

/** Shares of a whole, as a bar with its words. */
export function Bar({ shares, label }: { readonly shares: readonly Share[]; readonly label: string }) {
  const all = shares.reduce((sum, { value }) => sum + value, 0);
  const text = shares.filter(({ value }) => value > 0).map(({ name, value }) => `${value} ${name}`);
  return (
    <svg
      class="bar"
      role="img"
      aria-label={`${label}: ${text.join(', ') || 'nothing'}`}
      viewBox="0 0 100 1"
      preserveAspectRatio="none"
    >
      {all > 0 &&
        shares.reduce<{ readonly at: number; readonly parts: preact.JSX.Element[] }>(
          ({ at, parts }, { kind, name, value }) => ({
            at: at + (100 * value) / all,
            parts:
              value === 0
                ? parts
                : [
                    ...parts,
                    <rect key={name} class={kind} x={at} width={(100 * value) / all} height={1} />,
                    // What is stuck is told by the gap in it, too, as its badge is.
                    ...(kind === 'stuck'
                      ? [
                          <rect
                            key={`${name} gap`}
                            class="gap"
                            x={at}
                            y={0.35}
                            width={(100 * value) / all}
                            height={0.3}
                          />,
                        ]
                      : []),
                  ],
          }),
          { at: 0, parts: [] },
        ).parts}
    </svg>
  );
}
