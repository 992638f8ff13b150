import type { DroverEvent } from '../../../domain/events.ts';
import { insist } from '../violation.ts';

interface Build {
  readonly id: string;
  readonly derivation: string;
  readonly submission: string;
  /** Its submission asked for it, and wants it. */
  asked: boolean;
  ended: boolean;
}

/** Who wants which build, worked out event by event without Drover's own projections. */
export interface WantsAudit {
  add(stream: string, event: DroverEvent): void;
  /**
   * At the end of the log.
   *
   * @param lacking derivations that make what the outputs of a submission's roots refer to and is not there: no build of its own shows that want.
   */
  end(lacking: (submission: string) => Iterable<string>): { readonly canceled: number };
}

/**
 * @param inputsOf derivations that make what the derivation needs and is not available.
 * @param isForced whether somebody has the build ended, whoever wants it.
 */
export function auditWants(
  inputsOf: (derivation: string) => Iterable<string>,
  isForced: (build: string) => boolean,
): WantsAudit {
  const builds = new Map<string, Build>();
  const joined = new Map<string, Set<string>>();
  const canceled = new Set<string>();
  /** Submissions that build something again because it is needed: whoever needs it wants it, not they. */
  const rebuilds = new Set<string>();
  /** By derivation under way: submissions for which it goes on although what needed it has ended without it. */
  const left = new Map<string, Set<string>>();
  /** Builds that one wish has ended: their events follow each other, in any order. */
  const run = new Map<Build, 'named' | 'unwanted'>();
  let count = 0;

  const isUnderWay = (derivation: string): boolean =>
    [...builds.values()].some((build) => !build.ended && build.derivation === derivation);

  /** Nobody has cancelled it, so what it lacks goes on for whoever wanted it. */
  function endedWithout(build: Build): void {
    build.ended = true;
    for (const input of inputsOf(build.derivation))
      if (isUnderWay(input))
        left.set(input, new Set([...(left.get(input) ?? []), build.submission, ...(joined.get(build.id) ?? [])]));
  }

  /** @param ending builds that are taken for unfinished; those that were named pass nothing on. */
  function wanters(ending: ReadonlyMap<Build, 'named' | 'unwanted'>): Map<Build, Set<string>> {
    const found = new Map<Build, Set<string>>();
    const open = [...builds.values()].filter((build) => !build.ended || ending.has(build));
    const of = Map.groupBy(open, ({ derivation }) => derivation);
    function want(build: Build, submission: string): void {
      const known = found.get(build) ?? new Set();
      if (known.has(submission)) return;
      found.set(build, known.add(submission));
      if (ending.get(build) === 'named') return;
      for (const input of inputsOf(build.derivation)) for (const other of of.get(input) ?? []) want(other, submission);
    }
    for (const build of open) {
      const isOwn = build.asked && ending.get(build) !== 'named';
      if (isOwn && !canceled.has(build.submission)) want(build, build.submission);
      for (const id of joined.get(build.id) ?? []) if (!canceled.has(id)) want(build, id);
      for (const id of left.get(build.derivation) ?? []) if (!canceled.has(id)) want(build, id);
    }
    return found;
  }

  /** What others need of it, another build of the same derivation makes, unless they have joined this one. */
  function isReplaced(build: Build): boolean {
    for (const id of joined.get(build.id) ?? []) if (!canceled.has(id) && id !== build.submission) return false;
    for (const other of builds.values()) if (!other.ended && other.derivation === build.derivation) return true;
    return false;
  }

  function settle(): void {
    if (run.size === 0) return;
    const found = wanters(run);
    for (const [build, how] of run) {
      if (how === 'named' && (isForced(build.id) || isReplaced(build))) continue;
      const others = [...(found.get(build) ?? [])].filter((id) => how === 'unwanted' || id !== build.submission);
      insist(others.length === 0, 'I5', `${build.id} was ended (${how}), though ${others.join(', ')} want it`);
    }
    run.clear();
  }

  return {
    add(stream, event) {
      const id = stream.slice(stream.indexOf('-') + 1);
      const build = builds.get(id);
      if (event.type !== 'BuildCanceled') settle();
      switch (event.type) {
        case 'BuildSubmitted': {
          const { derivation, submission, reason } = event.data;
          const asked = reason === 'requested' || reason === 'retry';
          const hash = derivation.slice(0, 32);
          if (!isUnderWay(hash)) left.delete(hash);
          builds.set(id, { id, derivation: hash, submission, asked, ended: false });
          break;
        }
        case 'SubmissionReceived':
          if (event.data.reason === 'rebuild') rebuilds.add(id);
          break;
        case 'SubmissionJoined':
          if (rebuilds.has(id)) break;
          for (const other of event.data.builds) joined.set(other, (joined.get(other) ?? new Set()).add(id));
          break;
        case 'SubmissionCanceled':
          canceled.add(id);
          count++;
          break;
        case 'BuildWantWithdrawn':
          if (build) build.asked = false;
          break;
        case 'BuildCanceled':
          if (build) {
            build.ended = true;
            run.set(build, event.data.unwanted ? 'unwanted' : 'named');
          }
          break;
        case 'BuildSucceeded':
        case 'BuildSatisfied':
        case 'BuildFailed':
          if (build) endedWithout(build);
          break;
      }
    },
    end(lacking) {
      settle();
      const found = wanters(new Map());
      const below = new Set<string>();
      for (const { submission } of builds.values())
        if (!canceled.has(submission)) for (const derivation of lacking(submission)) below.add(derivation);
      for (const derivation of below) for (const input of inputsOf(derivation)) below.add(input);
      for (const build of builds.values())
        insist(
          build.ended || found.has(build) || below.has(build.derivation),
          'I5',
          `${build.id} is unfinished, and nobody wants it`,
        );
      return { canceled: count };
    },
  };
}
