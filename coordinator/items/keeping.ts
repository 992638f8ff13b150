import { type Asked, wasHad } from '../../projections/asked.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Drv } from '../../projections/graph.ts';
import { createNewestBuilds, type NewestBuilds, type Success } from '../../projections/newest-builds.ts';
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
  const { graph, queue, submissions, asked } = farm;
  /** Until all builds were looked through, what is known of the newest is a part: a root made so would lack the rest. */
  let isWhole = false;
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

  /** Its submission asked for it, and did until it had succeeded, or another one did that joined it. */
  const isAsked = (build: BuildRecord): boolean =>
    (build.asked !== 'input' && build.state.withdrawn === undefined) || submissions.joinedTo(buildId(build)).length > 0;

  /** Rules that keep something else than their roots say. */
  const unsettled = new Map<string, NewestBuilds>();

  function settleAll(): void {
    const all = [...unsettled];
    unsettled.clear();
    if (!writer.failure) for (const [name, newest] of all) settle(name, newest);
  }

  function count(success: Success): void {
    for (const { name, newest } of kept) if (newest.succeeded(success) && isWhole) unsettled.set(name, newest);
  }

  const successOf = ({ drv, order, state }: BuildRecord): Success => ({ drv, order, tags: state.options.tags ?? {} });
  const askedOf = (drv: Drv, { order, tags }: Asked): Success => ({ drv, order, tags });

  function succeeded(build: BuildRecord): void {
    if (isAsked(build)) count(successOf(build));
    for (const one of asked.of(build.drv))
      if (one.build?.row === build.row && wasHad(one)) count(askedOf(build.drv, one));
    // A decision of its own, not from within the fold.
    if (unsettled.size > 0) queueMicrotask(settleAll);
  }

  /** What a submission found there, or joined, counts with the tags that it has given. */
  function* queued(id: string): Generator<undefined> {
    for (const drv of submissions.get(id)?.requested ?? []) {
      for (const one of asked.of(drv)) if (one.by.id === id && wasHad(one)) count(askedOf(drv, one));
      yield;
    }
  }

  writer.listen((_, id, event) => {
    if (kept.length === 0) return;
    if (successes.has(event.type)) {
      const build = queue.build(id);
      if (build !== undefined) succeeded(build);
    } else if (event.type === 'SubmissionJoined')
      // It was under way when the submission was about to join it, and may have succeeded since.
      for (const joined of event.data.builds) {
        const build = queue.build(joined);
        if (build?.state.status === 'succeeded') succeeded(build);
      }
    else if (event.type === 'SubmissionQueued')
      inSlices(queued(id), { first: true }).then(settleAll, (error: unknown) =>
        logger.error({ err: error, submission: id }, 'what rules [[keep]] keep of a submission could not be found out'),
      );
  });

  function* lookThrough(): Generator<undefined> {
    for (let drv = 0; drv < graph.derivationRows; drv++) {
      if (!graph.isDerivation(drv)) continue;
      for (let build = queue.latest(drv); build; build = build.previous)
        if (build.state.status === 'succeeded' && isAsked(build)) count(successOf(build));
      for (const one of asked.of(drv)) if (wasHad(one)) count(askedOf(drv, one));
      yield;
    }
  }

  return {
    async declare(rules) {
      isWhole = false;
      kept = rules.map((rule) => ({ name: rule.name, newest: createNewestBuilds(farm, rule) }));
      if (kept.length > 0) await inSlices(lookThrough(), { first: true });
      isWhole = true;
      for (const { name, newest } of kept) settle(name, newest);
      const names = new Set(rules.map(({ name }) => name));
      for (const { name, state } of [...farm.roots.all()])
        if (state.source === 'config' && !names.has(name)) settle(name, { items: new Map() });
      await writer.durable();
    },
  };
}
