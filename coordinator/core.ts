import type { Logger } from 'pino';
import { type AgentCommand, decideAgent } from '../domain/agent/decide.ts';
import { initialAgent } from '../domain/agent/state.ts';
import type { NoteKey } from '../domain/audit/signed-note.ts';
import { type BuildCommand, type BuildRefusal, decideBuild, type RetryPolicy } from '../domain/build/decide.ts';
import type { BuildEvent } from '../domain/build/events.ts';
import { type BuildRecord, buildId } from '../projections/builds.ts';
import type { Farm } from '../projections/farm.ts';
import type { SubmissionRecord } from '../projections/submissions.ts';
import type { CollectionWish } from './application.ts';
import { DroverError, unknownBuild } from './errors.ts';
import { type KnownBuild, pastBuild, pastSubmission } from './history/past.ts';
import type { Writer } from './log/writer.ts';
import type { AgentLinks } from './ports/agent-links.ts';
import type { DerivationStore } from './ports/derivation-store.ts';
import type { EventStore, Meta } from './ports/event-store.ts';
import type { HookTransport } from './ports/hook-transport.ts';
import type { LogStore } from './ports/log-store.ts';
import type { Pool } from './ports/pool.ts';
import type { Runtime } from './ports/runtime.ts';
import type { TokenUses } from './ports/token-uses.ts';
import type { VerifyPlaceStore } from './ports/verify-place.ts';
import type { Stall, Work } from './ports/work.ts';
import type { Tracing } from './tracing.ts';
import type { UpstreamSource } from './upstreams/asking.ts';

export interface Policy {
  /** The first of {@link storeDirs}: where nothing else is said, paths are there. */
  readonly storeDir: string;
  readonly storeDirs: readonly string[];
  readonly leaseSeconds: number;
  readonly heartbeatSeconds: number;
  readonly retry: RetryPolicy;
  readonly timeoutSeconds: number;
  readonly maxSilentSeconds: number;
  readonly maxLogBytes: number;
  readonly maxNarBytes: number;
  /** Builds that have ended and are remembered. */
  readonly rememberedBuilds: number;
  /** Largest data of one commit, in bytes, that the event store takes. */
  readonly maxCommitBytes: number;
  readonly quarantine: { readonly failures: number; readonly seconds: number };
  /** How long clients may keep a narinfo: for so long the bytes of what was unpublished stay. */
  readonly cacheTtlSeconds: number;
  /** The verification of the pool that goes on by itself: all of it, every so often (0: never), at such a rate, and whether it repairs. */
  readonly verify: { readonly everySeconds: number; readonly rateBytes: number; readonly repair: boolean };
  /** What the schedule collects, and when: milliseconds after midnight in UTC. */
  readonly collection: Pick<CollectionWish, 'olderThanSeconds' | 'maxFreed' | 'keepFree'> & {
    readonly dailyAtMs: number | undefined;
    readonly buildInputs: boolean;
    /** Items that go between two looks at what has come to be needed, and two waits for the disk. */
    readonly perTurn: number;
  };
  /** Longest time between an event and a checkpoint that covers it. */
  readonly checkpointSeconds: number;
  /** Whether hooks that are added over the API may run commands here and call private addresses. */
  readonly trustHooksOfApi: boolean;
}

/** Signs fingerprints with the cache's key. */
export interface Signer {
  readonly publicKey: string;
  /** `<key name>:<base64>`. */
  sign(fingerprint: string): Promise<string>;
  /**
   * Signs with the key of the cache for Guix, where there is one: as `StoreItemAdded.guixSignature` has it.
   *
   * @param hash SHA-256 of what is signed
   */
  signForGuix?(hash: Uint8Array): Promise<string>;
}

/** What the process managers share: the farm to read, the writer to change it, and the ports. */
export interface Core {
  readonly farm: Farm;
  readonly writer: Writer;
  /** The log as it is stored. */
  readonly log: Pick<EventStore, 'read' | 'readAll' | 'head'>;
  readonly policy: Policy;
  readonly runtime: Runtime;
  readonly links: AgentLinks;
  readonly tokenUses: TokenUses;
  readonly pool: Pool;
  readonly derivations: DerivationStore;
  readonly logs: LogStore;
  readonly signer: Signer;
  /** Signs checkpoints of the log; without it there are none. */
  readonly auditKey?: NoteKey | undefined;
  readonly verifyPlace: VerifyPlaceStore;
  readonly hookTransport: HookTransport;
  /** Other caches, by the configuration. */
  readonly upstreams: readonly UpstreamSource[];
  readonly tracing: Omit<Tracing, 'farm'>;
  readonly logger: Logger;
  readonly work: Work;
  /** Over what the process before this one stood still, until that has been dealt with. */
  stalled?(): Stall | undefined;
}

/** Decides a wish about a build on what is known now and commits what comes of it. Refusals are values. */
export function commandBuild(
  core: Core,
  build: BuildRecord,
  command: BuildCommand,
  meta: Meta,
): BuildRefusal | readonly BuildEvent[] {
  const decision = decideBuild(build.state, command, core.policy.retry);
  if (decision.refused !== undefined) return decision.refused;
  core.writer.commit('build', buildId(build), build.revision, decision.events, {
    correlation: build.submission,
    ...meta,
  });
  return decision.events;
}

/** The same for an agent; refusals become errors for whoever asked. */
export function commandAgent(core: Core, name: string, command: AgentCommand, meta: Meta): void {
  const agent = core.farm.agents.get(name);
  const decision = decideAgent(agent?.state ?? initialAgent, command);
  if (decision.refused !== undefined) throw new DroverError(decision.refused, agentRefusals[decision.refused](name));
  core.writer.commit('agent', name, agent?.revision ?? 'none', decision.events, meta);
}

const agentRefusals = {
  'unknown-agent': (name: string) => `there is no agent ${name}; 'drover agents add ${name}' makes it`,
  'agent-exists': (name: string) =>
    `there is an agent ${name} already; 'drover agents rotate-token ${name}' makes it another token`,
  'agent-retired': (name: string) => `the agent ${name} was removed`,
};

/**
 * Decides somebody's wish about a build and commits what comes of it, durably.
 *
 * @param refused what is said of a refusal, but for that the build has ended
 * @throws DroverError where there is none; and where it has ended, be it so long ago that the farm has forgotten it
 */
export async function changeBuild(
  core: Core,
  id: string,
  command: BuildCommand,
  meta: Meta,
  refused: (refusal: BuildRefusal) => DroverError | undefined = () => undefined,
): Promise<void> {
  await useKnown(core, id, ({ farm, build }) => {
    const outcome = farm === core.farm ? commandBuild(core, build, command, meta) : undefined;
    if (typeof outcome === 'object') return;
    throw (
      (outcome && refused(outcome)) ??
      new DroverError('build-ended', `the build ${id} has ended: ${build.state.status}`)
    );
  });
  await core.writer.durable();
}

/**
 * What is made of a build, be it in memory or not. At once, where it is: whoever has been given it over a wait, however short, may find that it
 * is forgotten.
 *
 * @throws DroverError where there is none
 */
export async function useKnown<Value>(
  core: Pick<Core, 'farm' | 'log'>,
  id: string,
  use: (known: KnownBuild) => Value,
): Promise<Awaited<Value>> {
  const { farm } = core;
  const build = farm.queue.build(id);
  if (build !== undefined) return await use({ farm, build });
  const past = await pastBuild(core, id);
  if (past !== undefined) return await use(past);
  const isSubmission = core.farm.submissions.get(id) ?? (await pastSubmission(core, id));
  throw unknownBuild(id, isSubmission !== undefined);
}

/** A submission that is in memory with all that belongs to it. */
export function heldSubmission({ submissions, forgetting }: Farm, id: string): SubmissionRecord | undefined {
  return forgetting.isLetGo(id) ? undefined : submissions.get(id);
}

/** A submission, be it in memory or not. @throws DroverError where there is none */
export const findSubmission = (core: Pick<Core, 'farm' | 'log'>, id: string): Promise<SubmissionRecord> =>
  useSubmission(core, id, (submission) => submission);

/** What is made of a submission, as {@link useKnown} does it with a build. @throws DroverError where there is none */
export async function useSubmission<Value>(
  core: Pick<Core, 'farm' | 'log'>,
  id: string,
  use: (submission: SubmissionRecord, isHeld: boolean) => Value,
): Promise<Awaited<Value>> {
  const held = heldSubmission(core.farm, id);
  if (held !== undefined) return await use(held, true);
  const past = await pastSubmission(core, id);
  if (past === undefined)
    throw new DroverError(
      'unknown-submission',
      `there is no submission ${id}; 'drover submissions list' names those that there are`,
    );
  return await use(past, false);
}

/** One that is in memory. */
export function findBuild(core: Core, id: string): BuildRecord {
  const build = core.farm.queue.build(id);
  if (!build) throw unknownBuild(id, core.farm.submissions.get(id) !== undefined);
  return build;
}
