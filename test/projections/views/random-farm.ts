import type { StoredEvent, StreamId } from '../../../coordinator/ports/event-store.ts';
import type { DroverEvent } from '../../../domain/events.ts';

/** What a farm does next: `does` says what, `pick` to which of the things it could be done to. */
export interface Step {
  readonly does: number;
  readonly pick: number;
}

export interface SimulatedBuild {
  readonly id: string;
  readonly submission: string;
  state: 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';
  attempt: number;
  agent: string;
  released: number | undefined;
  readonly outputs: Record<string, string>;
}

export interface SimulatedFarm {
  readonly events: StoredEvent[];
  readonly builds: Map<string, SimulatedBuild>;
  readonly items: Set<string>;
}

const digits = '0123456789abcdfghijklmnpqrsvwxyz';
const names = ['hello-2.12', 'glibc-2.39', 'Python-3.12', 'lib+foo_bar', 'x', 'gcc-wrapper-13.2.0', 'hello-3.0'];
const systems = ['x86_64-linux', 'aarch64-linux', 'riscv64-linux'];
const agents = ['ant', 'bee', 'cricket'];

/** A hash part that is the same for the same number and looks nothing like that of its neighbours. */
export function hashOf(number: number): string {
  let text = '';
  let state = (number + 1) * 2654435761;
  for (let at = 0; at < 32; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += digits[state >>> 27];
  }
  return text;
}

/** The log of a farm that takes these steps; a step that is not possible does nothing. The same steps give the same log. */
export function simulateFarm(steps: readonly Step[]): SimulatedFarm {
  const events: StoredEvent[] = [];
  const revisions = new Map<string, number>();
  const builds = new Map<string, SimulatedBuild>();
  const derivations: { path: string; outputs: Record<string, string> }[] = [];
  const items = new Set<string>();
  const deleted: string[] = [];
  let submissions = 0;

  function append(stream: StreamId, event: DroverEvent | { type: string; data: unknown }, actor = 'test'): void {
    const revision = (revisions.get(stream) ?? -1) + 1;
    revisions.set(stream, revision);
    const position = String(events.length + 1).padStart(16, '0');
    const at = 1_000_000 + events.length * 10;
    events.push({
      ...event,
      version: 1,
      stream,
      revision,
      position,
      commit: `c${position}`,
      at,
      meta: { actor },
    });
  }

  function pickBuild(pick: number, ...states: SimulatedBuild['state'][]): SimulatedBuild | undefined {
    const open = [...builds.values()].filter(({ state }) => states.includes(state));
    return open[pick % Math.max(1, open.length)];
  }

  function addItem(path: string, pick: number): void {
    const deriver = derivations[pick % Math.max(1, derivations.length)]?.path;
    items.add(path);
    append(
      `item-${path.slice(0, 32)}`,
      {
        type: 'StoreItemAdded',
        data: {
          path,
          narHash: `sha256:${'0'.repeat(52)}`,
          narSize: 100 + (pick % 1000),
          references: pick % 3 === 0 ? [] : [path, `${hashOf(pick)}-glibc-2.39`],
          ...(deriver !== undefined && pick % 2 === 0 ? { deriver } : {}),
          ...(pick % 5 === 0 ? { ca: 'text:sha256:abc' } : {}),
          file: { hash: `sha256:${'1'.repeat(52)}`, size: pick % 500, compression: pick % 2 === 0 ? 'zstd' : 'none' },
          signatures: pick % 4 === 0 ? [] : ['key-1:c2ln'],
        },
      },
      `agent-a${pick % 3}`,
    );
  }

  function submit(pick: number): void {
    const id = `s${String(submissions++).padStart(3, '0')}`;
    const count = 1 + (pick % 4);
    const options = {
      priority: (pick % 7) - 3,
      ...(pick % 2 === 0 ? { tags: { branch: `b${pick % 3}`, ...(pick % 5 === 0 ? { 'ci/run': '' } : {}) } } : {}),
      ...(pick % 3 === 0 ? { maxAttempts: 3, timeoutSeconds: 60 } : {}),
    };
    const wanted: (typeof derivations)[number][] = [];
    for (let at = 0; at < count; at++) {
      const number = derivations.length;
      const known = derivations[(pick >> 3) % Math.max(1, number)];
      if (known !== undefined && (pick + at) % 3 === 0) {
        wanted.push(known);
        continue;
      }
      const name = names[(pick + at) % names.length] as string;
      const outputs: Record<string, string> = { out: `${hashOf(10_000 + number)}-${name}` };
      if (number % 3 === 0) outputs.lib = `${hashOf(20_000 + number)}-${name}-lib`;
      derivations.push({ path: `${hashOf(number)}-${name}.drv`, outputs });
      wanted.push(derivations[number] as (typeof derivations)[number]);
    }
    append(`submission-${id}`, {
      type: 'SubmissionReceived',
      data: {
        storeDir: '/gnu/store',
        rootCount: count,
        roots: wanted.map(({ path }) => path),
        options,
        inputs: true,
        force: true,
        reason: 'requested',
      },
    });
    if (pick % 6 === 0) append(`submission-${id}`, { type: 'SubmissionRootsAdded', data: { roots: [] } });
    for (const [at, { path, outputs }] of wanted.entries()) {
      if (!revisions.has(`derivation-${path.slice(0, 32)}`)) {
        const system = systems[(pick + at) % systems.length] as string;
        append(`derivation-${path.slice(0, 32)}`, {
          type: 'DerivationAdded',
          data: { path, system, outputs, inputs: [], sources: [] },
        });
      }
      const build = `${id}-${at}`;
      append(`build-${build}`, {
        type: 'BuildSubmitted',
        data: { derivation: path, submission: id, reason: at === 0 ? 'requested' : 'input', options },
      });
      builds.set(build, {
        id: build,
        submission: id,
        state: 'queued',
        attempt: 0,
        agent: '',
        released: undefined,
        outputs,
      });
    }
    append(`submission-${id}`, {
      type: 'SubmissionQueued',
      data: { derivations: count, builds: count, available: 0, joined: 0 },
    });
  }

  function succeed(build: SimulatedBuild, attempt: number, pick: number): void {
    for (const path of Object.values(build.outputs)) if (!items.has(path)) addItem(path, pick);
    build.state = 'succeeded';
    append(`build-${build.id}`, {
      type: 'BuildSucceeded',
      data: {
        attempt,
        agent: build.agent,
        outputs: build.outputs,
        durationMs: 5,
        ...(pick % 2 === 0 ? { logBytes: pick } : {}),
      },
    });
  }

  const actions: ((pick: number) => void)[] = [
    submit,
    (pick) => {
      const build = pickBuild(pick, 'queued');
      if (build === undefined) return;
      build.state = 'allocated';
      build.attempt++;
      build.agent = agents[pick % agents.length] as string;
      append(`build-${build.id}`, { type: 'BuildAllocated', data: { attempt: build.attempt, agent: build.agent } });
    },
    (pick) => {
      const build = pickBuild(pick, 'allocated');
      if (build === undefined) return;
      build.state = 'running';
      append(`build-${build.id}`, { type: 'BuildStarted', data: { attempt: build.attempt } });
    },
    (pick) => {
      const build = pickBuild(pick, 'running');
      if (build !== undefined) succeed(build, build.attempt, pick);
    },
    (pick) => {
      const build = pickBuild(pick, 'running', 'allocated');
      if (build === undefined) return;
      const { attempt } = build;
      const failure = { attempt, class: 'builder-failed' as const, message: `exit ${pick % 256}` };
      append(`build-${build.id}`, {
        type: 'BuildAttemptFailed',
        data: { ...failure, ...(pick % 2 === 0 ? { logBytes: 9 } : {}) },
      });
      if (pick % 3 === 0) {
        build.state = 'failed';
        append(`build-${build.id}`, { type: 'BuildFailed', data: failure });
      } else {
        build.state = 'queued';
        append(`build-${build.id}`, { type: 'BuildRetryScheduled', data: { attempt, notBefore: 1 } });
      }
    },
    (pick) => {
      const build = pickBuild(pick, 'allocated');
      if (build === undefined) return;
      build.state = 'queued';
      const data = {
        attempt: build.attempt,
        class: 'inputs-missing' as const,
        message: 'missing',
        missing: [`${hashOf(pick)}-x`],
      };
      append(`build-${build.id}`, { type: 'BuildSetupFailed', data });
    },
    (pick) => {
      const build = pickBuild(pick, 'allocated', 'running');
      if (build === undefined) return;
      build.state = 'queued';
      build.released = build.attempt;
      append(`build-${build.id}`, {
        type: 'BuildReleased',
        data: { attempt: build.attempt, agent: build.agent, reason: 'agent-lost' },
      });
    },
    (pick) => {
      // Something else has made its outputs available.
      const build = pickBuild(pick, 'queued');
      if (build === undefined || pick % 4 !== 0) return;
      for (const path of Object.values(build.outputs)) if (!items.has(path)) addItem(path, pick);
      build.state = 'succeeded';
      append(`build-${build.id}`, { type: 'BuildSatisfied', data: {} });
    },
    (pick) => {
      // The result of an attempt that was given up for lost comes in after all (I4).
      const build = pickBuild(pick, 'queued', 'allocated', 'running');
      if (build?.released !== undefined) succeed(build, build.released, pick);
    },
    (pick) => {
      const build = pickBuild(pick, 'queued', 'allocated', 'running');
      if (build === undefined) return;
      build.state = 'canceled';
      append(`build-${build.id}`, { type: 'BuildCanceled', data: {} });
    },
    (pick) => {
      const build = pickBuild(pick, 'queued');
      if (build !== undefined)
        append(`build-${build.id}`, { type: 'BuildPrioritized', data: { priority: pick % 1000 } });
    },
    (pick) => {
      const build = pickBuild(pick, 'queued');
      const data = pick % 3 === 0 ? {} : { until: pick };
      if (build !== undefined) append(`build-${build.id}`, { type: 'BuildDeferred', data });
    },
    (pick) => {
      const path = [...items][pick % Math.max(1, items.size)];
      if (path === undefined) return;
      items.delete(path);
      deleted.push(path);
      if (pick % 3 === 0) {
        const data = { path, reason: 'test', until: 2_000_000 };
        append(`item-${path.slice(0, 32)}`, { type: 'StoreItemUnpublished', data });
      }
      const type = pick % 2 === 0 ? 'StoreItemDeleted' : 'StoreItemMissing';
      append(`item-${path.slice(0, 32)}`, { type, data: { path, reason: 'test' } });
    },
    (pick) => addItem(deleted[pick % Math.max(1, deleted.length)] ?? `${hashOf(30_000 + pick)}-source`, pick),
    (pick) => append('agent-ant', { type: 'AgentPaused', data: { reason: `r${pick}` } }),
    () => append('token-t1', { type: 'TokenRevoked', data: {} as never }),
    (pick) => append('cloud-c1', { type: 'CloudSeen', data: { pick } }),
  ];
  // Work is likelier than the rest, so that some builds get to their end.
  const often = [0, 1, 2, 3, 1, 2, 3, ...actions.keys()];
  for (const { does, pick } of steps) actions[often[does % often.length] as number]?.(pick);
  return { events, builds, items };
}
