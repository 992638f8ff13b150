/** What a run can break: the invariants of docs/architecture.md, or no invariant but Drover's own code. */
export const invariants = [
  'I1',
  'I2',
  'I3',
  'I4',
  'I5',
  'I6',
  'I7',
  'I8',
  'I9',
  'I10',
  'I11',
  'I12',
  'memory',
  'bug',
] as const;
export type Invariant = (typeof invariants)[number];

/** Something that must never be so, was. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: Invariant;
  constructor(invariant: Invariant, what: string) {
    super(`${invariant}: ${what}`);
    this.invariant = invariant;
  }
}

export function insist(holds: unknown, invariant: Invariant, what: string): asserts holds {
  if (!holds) throw new Violation(invariant, what);
}
