/**
 * The keys of `found` in an order in which each comes after what it refers to, as far as that is in `found`. Iterative: a closure may be
 * deep. `onCycle` is called for what refers to itself by others, and throws.
 */
export function referencesFirst<Found>(
  found: ReadonlyMap<string, Found>,
  referencesOf: (one: Found) => readonly string[],
  onCycle: (path: string, reference: string) => never,
): string[] {
  const order: string[] = [];
  /** What is `open` is on the way from the root to here. */
  const state = new Map<string, 'open' | 'done'>();
  for (const root of found.keys()) {
    const stack = [root];
    for (let path = stack.at(-1); path !== undefined; path = stack.at(-1)) {
      const one = found.get(path);
      if (one === undefined || state.get(path) === 'done') {
        stack.pop();
      } else if (state.get(path) === 'open') {
        state.set(path, 'done');
        order.push(path);
        stack.pop();
      } else {
        state.set(path, 'open');
        for (const reference of referencesOf(one)) {
          if (state.get(reference) === 'open') onCycle(path, reference);
          if (found.has(reference) && state.get(reference) === undefined) stack.push(reference);
        }
      }
    }
  }
  return order;
}
