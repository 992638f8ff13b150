/** A value as it is bound to a parameter of a statement. */
export type SqlValue = string | number | null;

/** One statement with its values: `?1` is `values[0]`. `sql` is a constant, so that it can be prepared once. */
export interface Write {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}
