import { newestPace } from '../../domain/memory/events.ts';
import type { Core } from '../core.ts';

/**
 * Writes down how much the farm is to remember of what has ended (`limits.remembered-builds`), before it first forgets something, and when that is
 * another number, or it forgets at another pace. It is in the log because a fold has to forget just what the coordinator of that time had forgotten: one that had not
 * would not have added again what it used.
 */
export function startRemembering({ farm, writer, policy }: Pick<Core, 'farm' | 'writer' | 'policy'>): void {
  const { forgetting } = farm;
  const builds = policy.rememberedBuilds;
  const isMore = (): boolean => forgetting.weight > builds || forgetting.idleItems > builds;

  function look(): void {
    if (writer.failure || (forgetting.remembered === builds && forgetting.pace === newestPace)) return;
    if (forgetting.revision === undefined && !isMore()) return;
    const event = { type: 'BuildsRemembered', data: { builds, pace: newestPace } } as const;
    writer.commit('memory', 'builds', forgetting.revision ?? 'none', [event], { actor: 'coordinator' });
  }

  let isWaiting = false;
  writer.listen(() => {
    if (isWaiting || forgetting.revision !== undefined || !isMore()) return;
    isWaiting = true;
    // A decision of its own, not from within the fold.
    queueMicrotask(() => {
      isWaiting = false;
      look();
    });
  });
  look();
}
