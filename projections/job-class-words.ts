import type { JobClass } from './graph.ts';

/** What a build wants of an agent, for people: `x86_64-linux for /gnu/store with kvm, big-parallel`. */
export function jobClassWords({
  storeDir,
  system,
  features,
}: { readonly [Key in 'storeDir' | 'system' | 'features']?: JobClass[Key] | undefined }): string {
  const place = storeDir === undefined ? '' : ` for ${storeDir}`;
  return `${system}${place}${features?.length ? ` with ${features.join(', ')}` : ''}`;
}
