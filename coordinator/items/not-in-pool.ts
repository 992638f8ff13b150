import type { Farm } from '../../projections/farm.ts';
import { DroverError } from '../errors.ts';

/** What is told of an item (base name) that is wanted from the pool and is not there: also of one that is known. */
export function notInPool({ graph, upstreams }: Pick<Farm, 'graph' | 'upstreams'>, path: string): DroverError {
  const item = graph.itemOf(path);
  if (item === undefined) return new DroverError('unknown-item', `there is no store item ${path}`);
  const upstream = upstreams.get(item)?.upstream;
  const where =
    upstream === undefined ? `'drover items why ${path}' says what would bring it` : `the upstream ${upstream} has it`;
  return new DroverError('unknown-item', `${path} is not in the pool: ${where}`);
}
