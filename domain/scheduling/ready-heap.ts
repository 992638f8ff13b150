/** Something that can be in a {@link ReadyHeap}; `heapIndex` belongs to the heap, -1 while it is in none. */
export interface HeapEntry {
  heapIndex: number;
}

/** A binary heap whose entries can be moved and removed in logarithmic time, as each knows its place. */
export interface ReadyHeap<Entry extends HeapEntry> {
  readonly size: number;
  first(): Entry | undefined;
  add(entry: Entry): void;
  remove(entry: Entry): void;
  /** Call when what `before` compares has changed for an entry that is in the heap. */
  moved(entry: Entry): void;
  entries(): readonly Entry[];
}

/** `before(a, b)`: whether a comes out before b; a strict total order. */
export function createReadyHeap<Entry extends HeapEntry>(before: (a: Entry, b: Entry) => boolean): ReadyHeap<Entry> {
  const heap: Entry[] = [];

  function place(entry: Entry, index: number): void {
    heap[index] = entry;
    entry.heapIndex = index;
  }
  function up(entry: Entry, from: number): number {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex] as Entry;
      if (!before(entry, parent)) break;
      place(parent, index);
      index = parentIndex;
    }
    place(entry, index);
    return index;
  }
  function down(entry: Entry, from: number): void {
    let index = from;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= heap.length) break;
      const right = heap[childIndex + 1];
      if (right && before(right, heap[childIndex] as Entry)) childIndex++;
      const child = heap[childIndex] as Entry;
      if (!before(child, entry)) break;
      place(child, index);
      index = childIndex;
    }
    place(entry, index);
  }

  return {
    get size() {
      return heap.length;
    },
    first: () => heap[0],
    add(entry) {
      heap.push(entry);
      up(entry, heap.length - 1);
    },
    remove(entry) {
      const index = entry.heapIndex;
      if (index === -1) return;
      entry.heapIndex = -1;
      const last = heap.pop() as Entry;
      // Not by what it is: two objects may stand for one entry.
      if (index === heap.length) return;
      if (up(last, index) === index) down(last, index);
    },
    moved(entry) {
      if (entry.heapIndex !== -1 && up(entry, entry.heapIndex) === entry.heapIndex) down(entry, entry.heapIndex);
    },
    entries: () => heap,
  };
}
