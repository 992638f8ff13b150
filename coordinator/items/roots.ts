import { identifier } from '../../domain/event.ts';
import { decideRoot, type RootCommand } from '../../domain/root/decide.ts';
import { initialRoot } from '../../domain/root/state.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import type { Access } from '../access.ts';
import type { Application } from '../application.ts';
import type { Core } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';
import { DroverError } from '../errors.ts';
import { pastBuild, pastItem } from '../history/past.ts';
import type { Meta } from '../ports/event-store.ts';
import type { Adding } from '../submissions/adding.ts';
import { createRootStatuses, refusal } from './root-status.ts';

export interface RootWish {
  /** Base names of store items, or base names of derivations or ids of builds for all their outputs. */
  readonly targets: readonly string[];
  /** How long they are kept from now on; for good if absent. What is kept for longer already stays so. */
  readonly ttlSeconds?: number | undefined;
  /** Whether what it keeps beside these goes. */
  readonly replace?: boolean | undefined;
}

/** Roots: what is kept for good or for a while, by name. */
export type RootWishes = Pick<Application, 'roots' | 'root' | 'addRoot' | 'removeRoot'>;

export interface RootManager extends RootWishes {
  /** Decides and commits at once. @throws DroverError where it is refused. */
  command(name: string, command: RootCommand, meta: Meta): void;
  /** Whether a submission may keep something so; until when that is. @throws DroverError where the configuration has the name. */
  check(wish: { readonly name: string; readonly keepSeconds?: number }): { name: string; until?: number };
  /** Keeps what a submission asked for, if it wants that; all its derivations have to be known. A repeat changes nothing. */
  keepFor(submission: SubmissionRecord, meta: Meta): void;
  /** At a start: what has expired, or will. */
  resume(): void;
}

export function createRootManager(
  core: Core,
  adding: Adding,
  access: Pick<Access, 'nameOf'>,
  deadlines: Deadlines,
): RootManager {
  const { farm, writer, runtime } = core;
  const { graph, availability, details, roots, queue } = farm;
  const deadlineOf = (name: string): string => `root ${name}`;

  function command(name: string, wish: RootCommand, meta: Meta): void {
    const decision = decideRoot(roots.get(name)?.state ?? initialRoot, wish);
    if (decision.refused !== undefined) throw refusal(name, decision.refused);
    // One by one, as many targets take more than a commit.
    for (const event of decision.events) {
      const revision = roots.get(name)?.revision ?? farm.strays.revision('root', name) ?? 'none';
      writer.commit('root', name, revision, [event], meta);
    }
  }

  /** Expiry is a timed event: one deadline for each root, at what of it expires first. */
  function arm(name: string): void {
    const due = roots.due(name);
    if (due === undefined) return deadlines.clear(deadlineOf(name));
    deadlines.set(deadlineOf(name), due.until, due.longest, () => {
      if (writer.failure) return;
      // By a clock that was set back it is not due yet; it has waited for as long as it was to.
      command(name, { type: 'expire', until: due.until }, { actor: 'coordinator' });
    });
  }

  writer.listen((category, name) => {
    if (category === 'root') arm(name);
  });

  /** Store items that a target stands for: itself, or the outputs of a derivation or a build. */
  function itemsOf(target: string): string[] {
    const build = queue.build(target);
    const drv = build?.drv ?? graph.drvOf(target);
    if (drv !== undefined) return graph.outputs(drv).map(({ item }) => graph.itemPath(item));
    const item = graph.itemOf(target);
    if (item !== undefined && (availability.wasObtainable(item) || isMade(item))) return [target];
    throw new DroverError(
      target.endsWith('.drv') ? 'unknown-derivation' : 'unknown-item',
      `targets: expected store items, derivations or builds that are known here, got ${target}`,
    );
  }

  /**
   * Makes known again what targets stand for and the farm has forgotten, with what made them: it is to be built again where it goes. What is not
   * known anywhere is left to {@link itemsOf}.
   */
  async function recall(targets: readonly string[], meta: Meta): Promise<readonly string[]> {
    const named = await Promise.all(
      targets.map(async (target) => {
        if (queue.build(target) !== undefined || graph.drvOf(target) !== undefined) return { target };
        const item = graph.itemOf(target);
        if (item !== undefined) return { target, derivation: isMade(item) ? undefined : details.get(item)?.deriver };
        if (target.endsWith('.drv')) return { target, derivation: target };
        const past = identifier.safeParse(target).success ? await pastBuild(core, target) : undefined;
        if (past === undefined) return { target, derivation: (await pastItem(core, target))?.deriver };
        const derivation = past.farm.graph.drvPath(past.build.drv);
        return { target: derivation, derivation };
      }),
    );
    const wanted = named.flatMap(({ derivation }) => (derivation === undefined ? [] : [derivation]));
    const missing = new Set(await core.derivations.missing(wanted));
    await adding.add(
      wanted.filter((derivation) => !missing.has(derivation)),
      meta,
    );
    return named.map(({ target }) => target);
  }

  /** The same of a build that the farm may have forgotten, too: a root that was put on it keeps its outputs. */
  async function itemsEver(target: string): Promise<string[]> {
    const isKnown = queue.build(target) !== undefined || !identifier.safeParse(target).success;
    const past = isKnown ? undefined : await pastBuild(core, target);
    if (past === undefined) return itemsOf(target);
    return past.farm.graph.outputs(past.build.drv).map(({ item }) => past.farm.graph.itemPath(item));
  }

  /** Whether a known derivation has it as an output: it may come yet. */
  function isMade(item: number): boolean {
    let made = false;
    graph.eachProducer(item, () => {
      made = true;
      return true;
    });
    return made;
  }

  const { find, detailOf, ...told } = createRootStatuses(farm, access.nameOf);

  return {
    command,
    check({ name, keepSeconds }) {
      if (roots.get(name)?.state.source === 'config') throw refusal(name, { code: 'root-in-configuration' });
      return { name, ...(keepSeconds !== undefined && { until: runtime.clock.now() + keepSeconds * 1000 }) };
    },
    keepFor({ id, roots: derivations, wish }, meta) {
      if (wish.root === undefined) return;
      const { name, until } = wish.root;
      const targets = new Set<string>();
      for (const derivation of derivations) {
        const drv = graph.drvOf(derivation);
        if (drv !== undefined) graph.eachOutput(drv, (item) => void targets.add(graph.itemPath(item)));
      }
      // Where the configuration has come to have the name, that is no reason not to build.
      if (roots.get(name)?.state.source !== 'config')
        command(name, { type: 'add', targets: [...targets], until, source: 'submission', submission: id }, meta);
    },
    resume() {
      for (const { name } of roots.all()) arm(name);
    },
    ...told,
    async addRoot(by, name, { targets, ttlSeconds, replace }) {
      const known = farm.forgetting.revision === undefined ? targets : await recall(targets, { actor: by.id });
      const items = [...new Set(known.flatMap(itemsOf))];
      const until = ttlSeconds === undefined ? undefined : runtime.clock.now() + ttlSeconds * 1000;
      command(name, { type: 'add', targets: items, until, source: 'api', replace }, { actor: by.id });
      await writer.durable();
      return detailOf(find(name));
    },
    async removeRoot(by, name, { targets, reason } = {}) {
      const items = targets && [...new Set((await Promise.all(targets.map(itemsEver))).flat())];
      command(name, { type: 'remove', targets: items, reason, source: 'api' }, { actor: by.id });
      await writer.durable();
    },
  };
}
