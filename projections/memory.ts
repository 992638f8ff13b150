import { type Column, column, NarrowInts, type Values } from './column.ts';

/**
 * One piece of a projection's state. What is saved is plain: numbers, texts, booleans, `undefined`, arrays, plain objects, Maps and Sets,
 * typed arrays, and these in each other; no object in it is in two places.
 */
export interface Part<Saved = unknown> {
  save(): Saved;
  /** Makes the state what it was when that was saved; the state is that of a farm that has folded nothing. */
  load(saved: Saved): void;
}

/**
 * Where hot projections keep what they know from one event to the next. Each says what it has by a name, and what is said that way can be
 * saved and loaded as a whole; what follows from it is not said, and is worked out again, but where that takes longer than to read it.
 */
export interface Memory {
  ints(name: string, initial?: number): Column<Int32Array>;
  floats(name: string, initial?: number): Column<Float64Array>;
  /** Floats of four bytes. */
  singles(name: string, initial?: number): Column<Float32Array>;
  narrowInts(name: string): NarrowInts;
  bytes(name: string, initial?: number): Column<Uint8Array>;
  list<Value>(name: string): Value[];
  map<Key, Value>(name: string): Map<Key, Value>;
  set<Value>(name: string): Set<Value>;
  /** Something else; parts are loaded in the order in which they were said. */
  part<Saved>(name: string, part: Part<Saved>): void;
  /** The same memory, where each name begins with this. */
  within(prefix: string): Memory;
  /** All that was said, in that order. */
  readonly parts: ReadonlyMap<string, Part>;
}

export function createMemory(): Memory {
  const parts = new Map<string, Part>();

  function say(name: string, part: Part): void {
    if (parts.has(name)) throw new Error(`Two projections keep ${name}`);
    parts.set(name, part);
  }

  function within(prefix: string): Memory {
    const part = <Saved>(name: string, one: Part<Saved>): void => say(prefix + name, one as Part);

    function keptColumn<Kind extends Values>(
      name: string,
      Type: new (length: number) => Kind,
      initial?: number,
    ): Column<Kind> {
      const kept = column(Type, initial);
      part<Kind>(name, {
        save: () => kept.values.slice(0, kept.length) as Kind,
        load(values) {
          kept.values = values;
          kept.length = values.length;
        },
      });
      return kept;
    }

    return {
      ints: (name, initial) => keptColumn(name, Int32Array, initial),
      floats: (name, initial) => keptColumn(name, Float64Array, initial),
      singles: (name, initial) => keptColumn(name, Float32Array, initial),
      narrowInts(name) {
        const kept = new NarrowInts();
        part<ReturnType<NarrowInts['save']>>(name, { save: () => kept.save(), load: (saved) => kept.load(saved) });
        return kept;
      },
      bytes: (name, initial) => keptColumn(name, Uint8Array, initial),
      list<Value>(name: string) {
        const list: Value[] = [];
        part<Value[]>(name, {
          save: () => list,
          load(saved) {
            for (const value of saved) list.push(value);
          },
        });
        return list;
      },
      map<Key, Value>(name: string) {
        const map = new Map<Key, Value>();
        part<Map<Key, Value>>(name, {
          save: () => map,
          load(saved) {
            for (const [key, value] of saved) map.set(key, value);
          },
        });
        return map;
      },
      set<Value>(name: string) {
        const set = new Set<Value>();
        part<Set<Value>>(name, {
          save: () => set,
          load(saved) {
            for (const value of saved) set.add(value);
          },
        });
        return set;
      },
      part,
      within: (more) => within(prefix + more),
      parts,
    };
  }
  return within('');
}
