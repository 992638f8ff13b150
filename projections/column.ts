/** A growing array of numbers in a typed array: a table's column, four or eight bytes a row however many rows. */
export interface Column<Values extends Int32Array | Float64Array | Uint8Array> {
  /** Valid up to `length`; replaced when the column grows, so do not keep it. */
  values: Values;
  length: number;
  push(value: number): number;
  /** Makes room for so many more, to be written into `values` and counted in `length`. */
  reserve(more: number): void;
}

type Constructor<Values> = new (length: number) => Values;

export function column<Values extends Int32Array | Float64Array | Uint8Array>(
  Type: Constructor<Values>,
  initial = 16,
): Column<Values> {
  const self: Column<Values> = {
    values: new Type(initial),
    length: 0,
    push(value) {
      if (self.length === self.values.length) self.reserve(1);
      self.values[self.length] = value;
      return self.length++;
    },
    reserve(more) {
      const wanted = self.length + more;
      if (wanted <= self.values.length) return;
      // What is not filled yet is no memory: the system gives a page where something is first written to it. Copying is dear, and so is
      // collecting what was copied from.
      const grown = new Type(Math.max(16, wanted, 2 * self.values.length));
      grown.set(self.values);
      self.values = grown;
    },
  };
  return self;
}

export type Ints = Column<Int32Array>;
export const ints = (initial?: number): Ints => column(Int32Array, initial);
export const floats = (initial?: number): Column<Float64Array> => column(Float64Array, initial);
export const bytes = (initial?: number): Column<Uint8Array> => column(Uint8Array, initial);
