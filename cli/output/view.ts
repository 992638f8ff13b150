/** How text for people is to look. */
export interface View {
  readonly colour: boolean;
  /** Columns that a table may take; `undefined` for as many as it needs. */
  readonly width: number | undefined;
  /** Whether tables have the columns too that only some want. */
  readonly wide: boolean;
  /** Milliseconds since the Unix epoch. */
  now(): number;
}
