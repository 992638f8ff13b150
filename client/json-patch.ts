/** Of RFC 6902; `move`, `copy` and `test` are not known here. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/**
 * The document after all of the operations, in order. What they do not touch is the same object as before.
 *
 * @throws where one does not fit: then nothing is known of the document
 */
export function patched(document: unknown, operations: readonly PatchOperation[]): unknown {
  return operations.reduce((now, operation) => {
    const [root, ...path] = operation.path.split('/');
    if (root !== '') throw new Error(`expected a path that begins with /, got ${operation.path}`);
    return at(
      now,
      path.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~')),
      operation,
    );
  }, document);
}

function at(value: unknown, [name, ...rest]: readonly string[], operation: PatchOperation): unknown {
  if (name === undefined) {
    if (operation.op === 'remove') throw new Error('expected a path to a part of it');
    return operation.value;
  }
  if (Array.isArray(value)) return atRow(value, name, rest, operation);
  if (typeof value !== 'object' || value === null) throw new Error(`expected an object or a list at ${name}`);
  const fields = new Map(Object.entries(value));
  if (rest.length === 0 && operation.op === 'remove') fields.delete(name);
  else if (rest.length === 0 && operation.op === 'add') fields.set(name, operation.value);
  else if (fields.has(name)) fields.set(name, at(fields.get(name), rest, operation));
  else throw new Error(`expected a field ${name}`);
  return Object.fromEntries(fields);
}

function atRow(list: readonly unknown[], name: string, rest: readonly string[], operation: PatchOperation): unknown {
  const isNew = rest.length === 0 && operation.op === 'add';
  const index = isNew && name === '-' ? list.length : Number(name);
  if (!/^(0|[1-9][0-9]*|-)$/.test(name) || !(index < list.length + (isNew ? 1 : 0)))
    throw new Error(`expected the place of a row, got ${name}`);
  if (isNew) return list.toSpliced(index, 0, operation.value);
  if (rest.length === 0 && operation.op === 'remove') return list.toSpliced(index, 1);
  return list.with(index, at(list[index], rest, operation));
}
