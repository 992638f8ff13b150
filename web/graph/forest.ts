/** Something that at most one other is above of. */
export interface Node {
  readonly id: string;
  /** Absent, or not among the nodes, of one that has nothing above. */
  readonly parent?: string | undefined;
}

/** Nodes below one another, in the order in which they were given. */
export interface Forest<Each extends Node> {
  readonly roots: readonly Each[];
  below(id: string): readonly Each[];
}

/** Nodes by what they are below. Of those that are above themselves the first is a root, so that each node is somewhere. */
export function forestOf<Each extends Node>(nodes: readonly Each[]): Forest<Each> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const top = new Map<string, boolean>();
  const roots: Each[] = [];
  const children = new Map<string, Each[]>();
  for (const node of nodes) {
    const way = new Set<string>();
    let at: Each | undefined = node;
    while (at !== undefined && !top.has(at.id) && !way.has(at.id)) {
      way.add(at.id);
      at = at.parent === undefined ? undefined : byId.get(at.parent);
    }
    const isCircle = at !== undefined && way.has(at.id);
    for (const id of way) top.set(id, false);
    if (isCircle) top.set((at as Each).id, true);
  }
  for (const node of nodes) {
    const { id, parent } = node;
    if (parent === undefined || !byId.has(parent) || top.get(id) === true) roots.push(node);
    else {
      const known = children.get(parent);
      if (known === undefined) children.set(parent, [node]);
      else known.push(node);
    }
  }
  return { roots, below: (id) => children.get(id) ?? [] };
}
