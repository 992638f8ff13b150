/**
 * Things in an order in which each comes after those that it refers to. Iterative, as closures are deep; what refers to itself by others
 * comes in some order.
 */
export function referencesFirst<Thing>(
  things: ReadonlyMap<string, Thing>,
  referencesOf: (thing: Thing) => readonly string[],
): Thing[] {
  const order: Thing[] = [];
  const state = new Map<string, 'open' | 'done'>();
  for (const root of things.keys()) {
    const stack = [root];
    for (let name = stack.at(-1); name !== undefined; name = stack.at(-1)) {
      const thing = things.get(name);
      if (thing === undefined || state.get(name) === 'done') stack.pop();
      else if (state.get(name) === 'open') {
        state.set(name, 'done');
        order.push(thing);
        stack.pop();
      } else {
        state.set(name, 'open');
        for (const reference of referencesOf(thing)) if (!state.has(reference)) stack.push(reference);
      }
    }
  }
  return order;
}
