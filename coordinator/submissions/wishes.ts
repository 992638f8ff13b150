import { createHash } from 'node:crypto';
import type { Tags } from '../../domain/event.ts';
import { maxTags } from '../../domain/limits.ts';
import type { BuildOptions } from '../../domain/submission/events.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import { DroverError, wrongField } from '../errors.ts';
import type { CheckUpstream } from '../upstreams/closure-search.ts';

export interface SubmitWish {
  /** Base names of derivations, without repeats. */
  readonly roots: readonly string[];
  /** Tags that are kept with the builds of single roots, beside those of `options`. */
  readonly rootTags?: Readonly<Record<string, Tags>>;
  readonly options: BuildOptions;
  readonly inputs: boolean;
  readonly force: boolean;
  /** What upstreams are asked for before anything is built: what is asked for and its inputs (`all`, as if absent), its inputs alone, or nothing. */
  readonly checkUpstream?: CheckUpstream;
  /** Keeps what is asked for, under this name, for so long from now on; for good if it does not say. */
  readonly root?: { readonly name: string; readonly keepSeconds?: number };
  /** The same key with the same wish gives the same submission. */
  readonly idempotencyKey?: string;
  /** The client's place in a trace, as its `traceparent`. One that is none is ignored. */
  readonly traceparent?: string;
}

export interface SubmitResult {
  readonly submission: string;
  /** Derivations that were new. */
  readonly derivations: number;
  /** Builds submitted. */
  readonly builds: number;
  /** Roots whose outputs are available already. */
  readonly available: number;
  /** Of `available`, those of which an upstream has an output that the pool has not; absent: none. */
  readonly upstream?: number;
  /** Store items that upstreams were found to have; absent: none. */
  readonly foundUpstream?: number;
  /** Builds under way that were joined. */
  readonly joined: readonly string[];
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The key is the token's own: two clients may choose the same. */
export function keyOf(token: string, key: string): string {
  return sha256(`${token}\n${key}`);
}

/** Two wishes are the same where this is; in which order their roots and tags came does not matter. */
export function digestOf(wish: SubmitWish): string {
  const { options, inputs, force, root, checkUpstream } = wish;
  const roots = [...new Set(wish.roots)].sort();
  const named = [...(root ? [root] : []), ...(checkUpstream ? [checkUpstream] : [])];
  return sha256(JSON.stringify([roots, options, inputs, force, ...sortedTags(wish), ...named]));
}

/** That there are no more tags than a build may have, and none of what was not asked for. */
export function checkTags({ options, rootTags = {} }: SubmitWish, roots: ReadonlySet<string>): void {
  const check = (where: string, tags: Tags) => {
    const count = Object.keys(tags).length;
    if (count > maxTags) throw new DroverError('too-large', `${where}: expected at most ${maxTags}, got ${count}`);
  };
  check('options.tags', options.tags ?? {});
  for (const [root, tags] of Object.entries(rootTags)) {
    if (!roots.has(root)) throw wrongField('rootTags', 'only what is in roots', root);
    check(`rootTags.${root} with options.tags`, { ...options.tags, ...tags });
  }
}

/** Of roots that keep their tags: those that all have are the submission's, the others their own. */
export function wishOf(
  options: BuildOptions,
  tags: ReadonlyMap<string, Tags | undefined>,
): Pick<SubmitWish, 'roots' | 'rootTags' | 'options'> {
  const all = [...tags.values()];
  const shared = Object.entries(all[0] ?? {}).filter(([key, value]) => all.every((one) => one?.[key] === value));
  const common = Object.fromEntries(shared);
  const own = [...tags].flatMap(([root, one = {}]) => {
    const rest = Object.entries(one).filter(([key]) => !Object.hasOwn(common, key));
    return rest.length === 0 ? [] : [[root, Object.fromEntries(rest)] as const];
  });
  const { tags: _, ...others } = options;
  return {
    roots: [...tags.keys()],
    options: { ...others, ...(shared.length > 0 && { tags: common }) },
    ...(own.length > 0 && { rootTags: Object.fromEntries(own) }),
  };
}

/** The tags of single roots in an order that does not depend on who sent them; nothing where there are none. */
function sortedTags({ rootTags }: SubmitWish): readonly unknown[] {
  return rootTags === undefined ? [] : [Object.entries(rootTags).sort(([a], [b]) => (a < b ? -1 : 1))];
}

/** Of a derivation that a submission asks for: those of the submission, and its own tags. */
export function optionsOfRoot(
  { wish, rootTags }: Pick<SubmissionRecord, 'wish' | 'rootTags'>,
  root: string,
): BuildOptions {
  const own = rootTags[root];
  return own === undefined ? wish.options : { ...wish.options, tags: { ...wish.options.tags, ...own } };
}
