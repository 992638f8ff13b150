import type { Tags } from '../domain/event.ts';
import { type BuildRecord, buildId } from './builds.ts';
import type { Drv } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';
import type { SubmissionRecord } from './submissions.ts';

/** A derivation that a submission asked for and that has no build of it: its outputs were there, or a build of another submission made them. */
export interface Asked {
  readonly by: Pick<SubmissionRecord, 'id' | 'status'>;
  /** With what its build would have been tagged. */
  readonly tags: Tags;
  /** Where that stands among all builds, in the order in which they were submitted. */
  readonly order: number;
  /** The one that was under way; absent where the outputs were there. */
  readonly build?: BuildRecord;
}

/**
 * What submissions asked for without a build of their own, of each derivation the last time with each set of tags; with {@link mostSets} sets at most, those that
 * came last: tags may have another value each time, like a commit.
 */
export interface AskedWithoutBuild {
  of(drv: Drv): readonly Asked[];
  asked(drv: Drv, asked: Asked): void;
  /** The build of the derivation goes, as what it made is known by now; of one that made nothing, nothing is had. */
  forgetBuild(build: BuildRecord): void;
  /** The derivation goes. */
  forget(drv: Drv): void;
  /** Lines of text that are the same for the same state. */
  describe(name: (drv: Drv) => string): Generator<string>;
}

/** Sets of tags of one derivation that are remembered. */
export const mostSets = 16;

/** Whether what was asked for was had. */
export function wasHad({ by, build }: Asked): boolean {
  return build === undefined || (build.state.status === 'succeeded' && by.status !== 'canceled');
}

/** The same without what it refers to. */
type Saved = Pick<Asked, 'tags' | 'order'> & {
  readonly by: string;
  readonly status: SubmissionRecord['status'];
  readonly build: string | undefined;
};

export function createAskedWithoutBuild(
  sources: {
    submission(id: string): SubmissionRecord | undefined;
    build(id: string): BuildRecord | undefined;
  },
  memory: Memory = createMemory(),
): AskedWithoutBuild {
  const known = new Map<Drv, Asked[]>();
  const saved = ({ by, tags, order, build }: Asked): Saved => ({
    by: by.id,
    status: by.status,
    tags,
    order,
    build: build && buildId(build),
  });
  const loaded = ({ by, status, tags, order, build }: Saved): Asked => ({
    by: sources.submission(by) ?? { id: by, status }, // Of one that was forgotten it stays what it was.
    tags,
    order,
    ...(build !== undefined && { build: sources.build(build) as BuildRecord }),
  });
  memory.part('asked', {
    save: () => Array.from(known, ([drv, all]) => [drv, all.map(saved)] as const),
    load(of: readonly (readonly [Drv, readonly Saved[]])[]) {
      for (const [drv, all] of of) known.set(drv, all.map(loaded));
    },
  });
  return {
    of: (drv) => known.get(drv) ?? [],
    asked(drv, asked) {
      const others = (known.get(drv) ?? []).filter(({ tags }) => !isSame(tags, asked.tags));
      known.set(drv, [...others.slice(1 - mostSets), asked]);
    },
    forgetBuild(gone) {
      const all = known.get(gone.drv);
      if (all === undefined) return;
      const left: Asked[] = [];
      for (const one of all)
        if (one.build?.row !== gone.row) left.push(one);
        else if (wasHad(one)) left.push({ by: one.by, tags: one.tags, order: one.order });
      if (left.length > 0) known.set(gone.drv, left);
      else known.delete(gone.drv);
    },
    forget: (drv) => void known.delete(drv),
    *describe(name) {
      for (const [drv, all] of known)
        for (const { by, tags, order, build } of all)
          yield `asked ${name(drv)} by ${by.id} at ${order} ${JSON.stringify(tags)} ${build === undefined ? '' : build.order}`;
    },
  };
}

function isSame(one: Tags, other: Tags): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}
