import { createNewestBuilds, type NewestBuilds } from '../../projections/newest-builds.ts';
import type { BuildRecord } from '../../projections/queue.ts';
import type { Core } from '../core.ts';
import type { Meta } from '../ports/event-store.ts';
import type { InSlices } from '../slices.ts';
import type { KeepRule } from './keep-rules.ts';
import type { RootManager } from './roots.ts';

/**
 * Makes the roots of the configuration's rules what the rules say, now and with each build that succeeds, so that what is kept by a rule is
 * seen, refused a deletion and explained like anything else that a root keeps.
 */
export interface Keeping {
  /** Looks through all builds there are; roots of rules that are gone keep nothing any more. */
  declare(rules: readonly KeepRule[]): Promise<void>;
}

const successes: ReadonlySet<string> = new Set(['BuildSucceeded', 'BuildSatisfied']);
const meta: Meta = { actor: 'coordinator' };

export function createKeeping(core: Core, roots: Pick<RootManager, 'command'>, inSlices: InSlices): Keeping {
  const { farm, writer, logger } = core;
  const { graph, queue } = farm;
  let kept: readonly { readonly name: string; readonly newest: NewestBuilds }[] = [];

  /** Adds what the root lacks, then removes what it has too much. */
  function settle(name: string, { items }: Pick<NewestBuilds, 'items'>): void {
    const targets = Array.from(items.keys(), graph.itemPath);
    const before = farm.roots.get(name)?.state;
    if (targets.length > 0) {
      // A name that somebody gave to a root of his own is his.
      if (before !== undefined && before.source !== 'config' && before.targets.size > 0)
        return logger.error(
          { root: name },
          'the root has the name of a rule [[keep]] and is not of it: the rule keeps nothing',
        );
      roots.command(name, { type: 'add', targets, until: undefined, source: 'config', replace: true }, meta);
    } else if (before?.source === 'config' && before.targets.size > 0)
      roots.command(name, { type: 'remove', targets: undefined, source: 'config', reason: 'no rule keeps it' }, meta);
  }

  const counts = (build: BuildRecord | undefined): build is BuildRecord =>
    build !== undefined && build.asked !== 'input';

  writer.listen((_, id, event) => {
    if (kept.length === 0 || !successes.has(event.type)) return;
    const build = queue.build(id);
    if (!counts(build)) return;
    // A decision of its own, not from within the fold.
    for (const { name, newest } of kept) if (newest.succeeded(build)) queueMicrotask(() => settle(name, newest));
  });

  function* lookThrough(): Generator<undefined> {
    for (let drv = 0; drv < graph.derivations; drv++) {
      for (let build = queue.latest(drv); build; build = build.previous)
        if (build.state.status === 'succeeded' && counts(build)) for (const { newest } of kept) newest.succeeded(build);
      yield;
    }
  }

  return {
    async declare(rules) {
      kept = rules.map((rule) => ({ name: rule.name, newest: createNewestBuilds(farm, rule) }));
      if (kept.length > 0) await inSlices(lookThrough(), { first: true });
      for (const { name, newest } of kept) settle(name, newest);
      const names = new Set(rules.map(({ name }) => name));
      for (const { name, state } of [...farm.roots.all()])
        if (state.source === 'config' && !names.has(name)) settle(name, { items: new Map() });
      await writer.durable();
    },
  };
}
