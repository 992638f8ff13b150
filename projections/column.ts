/** What a column's numbers may be in. */
export type Values = Int32Array | Float64Array | Float32Array | Uint8Array;

/** A growing array of numbers in a typed array: a table's column, so many bytes a row however many rows. */
export interface Column<Kind extends Values> {
  /** Valid up to `length`; replaced when the column grows, so do not keep it. */
  values: Kind;
  length: number;
  push(value: number): number;
  /** Makes room for so many more, to be written into `values` and counted in `length`. */
  reserve(more: number): void;
}

export function column<Kind extends Values>(Type: new (length: number) => Kind, initial = 16): Column<Kind> {
  return new GrowingColumn(new Type(initial));
}

/** Of a class, so that all have the same functions: what has some of its own is called as if it were another each time. */
class GrowingColumn<Kind extends Values> implements Column<Kind> {
  values: Kind;
  length = 0;

  constructor(values: Kind) {
    this.values = values;
  }

  push(value: number): number {
    if (this.length === this.values.length) this.reserve(1);
    this.values[this.length] = value;
    return this.length++;
  }

  reserve(more: number): void {
    this.values = grown(this.values, this.length + more);
  }
}

/** The same with room for so many. */
function grown<Kind extends Values>(values: Kind, wanted: number): Kind {
  if (wanted <= values.length) return values;
  // What is not filled yet is no memory: the system gives a page where something is first written to it. Copying is dear, and so is
  // collecting what was copied from.
  const more = new (values.constructor as new (length: number) => Kind)(Math.max(16, wanted, 2 * values.length));
  more.set(values);
  return more;
}

export type Ints = Column<Int32Array>;
export const ints = (initial?: number): Ints => column(Int32Array, initial);
export const floats = (initial?: number): Column<Float64Array> => column(Float64Array, initial);
export const bytes = (initial?: number): Column<Uint8Array> => column(Uint8Array, initial);

/**
 * A column of whole numbers of either sign in three bytes each, until there is one beyond eight million: from then on in four. For what there are very
 * many of; it takes no longer to read. Rows that were not written are 0.
 */
export class NarrowInts {
  length = 0;
  private narrow: Uint8Array | undefined = new Uint8Array(48);
  private wide: Int32Array = new Int32Array(0);

  get(row: number): number {
    const { narrow } = this;
    if (narrow === undefined) return this.wide[row] as number;
    const at = 3 * row;
    return (
      (((narrow[at] as number) << 8) | ((narrow[at + 1] as number) << 16) | ((narrow[at + 2] as number) << 24)) >> 8
    );
  }

  set(row: number, value: number): void {
    const { narrow } = this;
    if (narrow === undefined) {
      this.wide[row] = value;
      return;
    }
    if ((value << 8) >> 8 !== value) {
      this.widen();
      this.wide[row] = value;
      return;
    }
    const at = 3 * row;
    narrow[at] = value;
    narrow[at + 1] = value >> 8;
    narrow[at + 2] = value >> 16;
  }

  /** Adds a row. @returns which. */
  push(value: number): number {
    this.lengthen(1, value);
    return this.length - 1;
  }

  /** Adds so many rows. */
  lengthen(rows: number, value = 0): void {
    const first = this.length;
    this.length += rows;
    if (this.narrow !== undefined) this.narrow = grown(this.narrow, 3 * this.length);
    else this.wide = grown(this.wide, this.length);
    if (value !== 0) for (let row = first; row < this.length; row++) this.set(row, value);
  }

  save(): Uint8Array | Int32Array {
    return this.narrow?.slice(0, 3 * this.length) ?? this.wide.slice(0, this.length);
  }

  load(saved: Uint8Array | Int32Array): void {
    if (saved instanceof Uint8Array) {
      this.narrow = saved;
      this.length = saved.length / 3;
    } else {
      this.narrow = undefined;
      this.wide = saved;
      this.length = saved.length;
    }
  }

  private widen(): void {
    const wide = new Int32Array(2 * this.length);
    for (let row = 0; row < this.length; row++) wide[row] = this.get(row);
    this.narrow = undefined;
    this.wide = wide;
  }
}
