import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  decodeFromAgent,
  decodeFromCoordinator,
  encodeFromAgent,
  encodeFromCoordinator,
} from '../../adapters/agent-link/frames.ts';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { encodeEvent } from '../../coordinator/log/event-codec.ts';
import { failureClasses } from '../../domain/build/failure-class.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import type { DroverEvent } from '../../domain/events.ts';
import { checkpointsOf } from '../../domain/hook/checkpoint.ts';
import { type HookDefinition, hookDefaults, keptHookError } from '../../domain/hook/definition.ts';
import { initialHook } from '../../domain/hook/state.ts';
import {
  allocateFrameBytes,
  commitShortfall,
  derivationExcess,
  derivationLineBytes,
  listBytes,
  maxCoordinatorFrameBytes,
  maxDeclarationBytesPerToken,
  maxFrameBytes,
  maxLogChunkBytes,
  maxOutputs,
  maxReferenceBytes,
  maxTags,
  minCommitBytes,
  mostDerivationBytes,
  mostFileBytes,
  namesPerEvent,
  referencesExcess,
  scanBytes,
} from '../../domain/limits.ts';
import { rootPortions } from '../../domain/submission/root-portions.ts';

const hash = (n: number) => String(n).padStart(32, '0');
/** The longest base name there is. */
const base = (n: number) => `${hash(n)}-${'n'.repeat(211)}`;
const bases = (count: number) => Array.from({ length: count }, (_, n) => base(n));
const id = 'i'.repeat(64);
const sha256 = `sha256:${'0'.repeat(52)}`;
/** Text that takes most room in JSON. */
const worst = (length: number) => '\u0001'.repeat(length);
const key = { build: id, attempt: 1_000_000 };

describe('every commit that the coordinator makes fits into the smallest that an event store may take', () => {
  const size = (events: readonly DroverEvent[]) =>
    Buffer.byteLength(JSON.stringify(events.map(encodeEvent))) +
    Buffer.byteLength(JSON.stringify({ meta: [id, id, id] }));
  const tags = Object.fromEntries(Array.from({ length: maxTags }, (_, n) => [`${n}`.padEnd(64, 't'), worst(256)]));
  const options = { priority: -1000, maxAttempts: 100, timeoutSeconds: 1e9, maxSilentSeconds: 1e9, tags };
  const received = {
    storeDir: '/'.repeat(1000),
    rootCount: 1e6,
    options,
    inputs: true,
    force: true,
    reason: 'requested',
    key: 'k'.repeat(128),
    wish: 'w'.repeat(64),
  } as const;
  const failure = { attempt: 1, class: failureClasses[0], message: worst(4096) };
  const outputs = Array.from({ length: maxOutputs }, (_, n) => `${n}`.padEnd(211, 'o'));
  const commits: Record<string, DroverEvent[]> = {
    'a submission with most roots and tags': [
      {
        type: 'SubmissionReceived',
        data: { ...received, roots: bases(namesPerEvent) },
      },
    ],
    ...Object.fromEntries(
      rootPortions(bases(30), Object.fromEntries(bases(20).map((root) => [root, tags]))).map(
        (data, n): [string, DroverEvent[]] => [
          `roots with most tags of their own, part ${n + 1}`,
          [{ type: 'SubmissionReceived', data: { ...received, ...data } }],
        ],
      ),
    ),
    'more roots': [{ type: 'SubmissionRootsAdded', data: { roots: bases(namesPerEvent) } }],
    'builds joined': [{ type: 'SubmissionJoined', data: { builds: Array<string>(namesPerEvent).fill(id) } }],
    'a build with most tags': [
      { type: 'BuildSubmitted', data: { derivation: base(1), submission: id, reason: 'requested', options } },
    ],
    'a failure with most words and most missing inputs, which ends the build': [
      { type: 'BuildSetupFailed', data: { ...failure, missing: bases(1000) } },
      { type: 'BuildFailed', data: failure },
    ],
    'a success with most outputs, all of them different from those of before': [
      ...outputs.map(
        (output): DroverEvent => ({
          type: 'OutputsDiverged',
          data: { attempt: 1e6, agent: id, output, path: base(1), kept: sha256, got: sha256 },
        }),
      ),
      {
        type: 'BuildSucceeded',
        data: {
          attempt: 1e6,
          agent: id,
          outputs: Object.fromEntries(outputs.map((output, n) => [output, base(n)])),
          durationMs: 1e15,
          logBytes: 1e15,
        },
      },
    ],
  };
  for (const [what, events] of Object.entries(commits)) {
    test(what, () => assert.ok(size(events) <= minCommitBytes, `${size(events)} of ${minCommitBytes}`));
  }

  test('an item with as many references as are let in', () => {
    for (let count = 2200; ; count--) {
      const references = bases(count);
      if (referencesExcess(references, minCommitBytes) !== undefined) continue;
      const data = {
        path: base(1),
        narHash: sha256,
        narSize: 1e15,
        references,
        deriver: base(2),
        ca: `fixed:r:sha512:${'0'.repeat(128)}`,
        file: { hash: sha256, size: 1e15, compression: 'zstd' as const },
        signatures: [worst(128)],
      };
      assert.ok(count > 1000);
      return assert.ok(size([{ type: 'StoreItemAdded', data }]) <= minCommitBytes);
    }
  });
});

describe('a derivation that is let in', () => {
  const limits = { maxDerivationBytes: mostDerivationBytes, maxCommitBytes: minCommitBytes };
  const excess = (change: object, event = 0) =>
    derivationExcess({ text: 1000, outputs: 1, inputs: 100, event: () => event, ...change }, limits);

  test('is refused with its size, the bound, and the setting where it is one', () => {
    assert.equal(excess({}), undefined);
    assert.match(
      excess({ text: mostDerivationBytes + 1 }) ?? '',
      /at most 8388608 bytes \(setting limits\.max-derivation-bytes\), got 8388609/,
    );
    assert.match(excess({ outputs: maxOutputs + 1 }) ?? '', /at most 256 outputs, got 257/);
    assert.match(excess({ inputs: maxCoordinatorFrameBytes }) ?? '', /frame of 16777216 bytes to an agent, got/);
    assert.match(excess({ text: 1e6 }, 1e6) ?? '', /event of at most \d+ bytes, .* got 1000000/);
    assert.equal(excess({ text: 1e6 }, 1e5), undefined);
  });

  test('fits into the frame that tells an agent of it', () => {
    const inputs = bases(30_000);
    const text = new Uint8Array(mostDerivationBytes);
    const frame = encodeFromCoordinator({
      kind: 'message',
      n: Number.MAX_SAFE_INTEGER,
      body: {
        type: 'allocate',
        ...key,
        derivation: base(1),
        text,
        inputs,
        timeoutSeconds: 1e15,
        maxSilentSeconds: 1e15,
        maxLogBytes: 1e15,
      },
    });
    const bound = allocateFrameBytes(text.length, listBytes(inputs));
    assert.ok(bound <= maxCoordinatorFrameBytes, `${bound}`);
    assert.ok(frame.length <= bound);
    assert.equal(decodeFromCoordinator(frame).fault, undefined);
  });

  test('has an event that is not larger than its text and what is allowed for the rest', () => {
    // What the text says in most and least bytes: full paths there, base names here.
    const outputs = Object.fromEntries(Array.from({ length: maxOutputs }, (_, n) => [`o${n}`, base(n)]));
    const facts: DerivationFacts = {
      path: base(0),
      system: 's'.repeat(64),
      features: Array<string>(64).fill('f'),
      outputs,
      inputs: Array.from({ length: 100 }, (_, n) => hash(n)),
      sources: bases(100),
    };
    const text =
      Object.entries(outputs).reduce((sum, [name, path]) => sum + `("${name}","/s/${path}","",""),`.length, 0) +
      facts.sources.reduce((sum, path) => sum + `"/s/${path}",`.length, 0) +
      facts.inputs.length * `("/s/${hash(1)}-a.drv",["out"]),`.length +
      64 * 2;
    assert.ok(JSON.stringify(facts).length <= text + 4096);
  });
});

test('the uploads of any one attempt may be declared: its references, and an input closure larger than any that is known', () => {
  const closure = scanBytes(Array<string>(1_500_000));
  assert.ok(maxReferenceBytes + closure <= maxDeclarationBytesPerToken);
});

test('a result with most outputs and references fits into a frame of an agent', () => {
  const references: string[] = [];
  for (let n = 0, bytes = 0; bytes + base(n).length + 5 <= maxReferenceBytes; bytes += base(n).length + 5, n++)
    references.push(base(n));
  const outputs = Array.from({ length: maxOutputs }, (_, n) => ({
    name: `${n}`.padEnd(211, 'o'),
    path: base(n),
    narHash: sha256,
    narSize: Number.MAX_SAFE_INTEGER,
    references: n === 0 ? references : [],
    upload: id,
  }));
  const body = { type: 'succeeded', ...key, outputs, durationMs: 1e15, logBytes: 1e15 } as const;
  const frame = encodeFromAgent({ kind: 'message', n: Number.MAX_SAFE_INTEGER, body });
  assert.ok(frame.length <= maxFrameBytes);
  assert.equal(decodeFromAgent(frame).fault, undefined);
});

test('a chunk of a log fits into a frame of an agent', () => {
  const data = new Uint8Array(maxLogChunkBytes);
  const frame = encodeFromAgent({ kind: 'oob', body: { type: 'log', ...key, offset: 1e15, data } });
  assert.equal(decodeFromAgent(frame).fault, undefined);
});

test('an event store that takes less than every commit needs is refused with both sizes', () => {
  assert.equal(commitShortfall(minCommitBytes), undefined);
  assert.match(commitShortfall(60_000) ?? '', /at least 524288 bytes, got one of 60000; for NATS, raise max_payload/);
});

test('what a hook writes down fits into every commit, whatever its receivers say', () => {
  const held = new Map(
    Array.from({ length: 1000 }, (_, n) => [
      `build-${String(n).padEnd(64, 'x')}`,
      {
        revision: 1e15,
        at: 1e15,
        attempts: 1e9,
        notBefore: 1e15,
        error: '\u2028'.repeat(keptHookError),
        parked: false,
      },
    ]),
  );
  const definition: HookDefinition = {
    ...hookDefaults,
    on: Array.from({ length: 200 }, (_, n) => `A${n}`.padEnd(64, 'x')),
    where: {
      tags: Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`${n}`.padEnd(64, 'x'), '"'.repeat(256)])),
      agents: Array.from({ length: 1000 }, (_, n) => `${n}`.padEnd(64, 'x')),
    },
    target: { kind: 'command', run: '\u0001'.repeat(32 * 1024) },
  };
  const events = [
    { type: 'HookAdded', data: { definition, source: 'api', from: {} } } as const,
    ...checkpointsOf(initialHook, { through: 'build-1@1', held }, 1).map(
      (data) => ({ type: 'HookCheckpointed', data }) as const,
    ),
  ];
  for (const event of events) assert.ok(Buffer.byteLength(JSON.stringify(encodeEvent(event))) < minCommitBytes - 4096);
});

describe('settings', () => {
  const limits = (given: object) => coordinatorConfigSchema.safeParse({ data: '/d', limits: given });

  test('the defaults agree', () => assert.ok(limits({}).success));
  test('a body that the largest derivation does not fit into is refused with both names', () => {
    const { error } = limits({ maxBodyBytes: 2_000_000 });
    assert.match(
      error?.message ?? '',
      /limits\.max-body-bytes: expected at least 5593432.*limits\.max-derivation-bytes of 4194304/s,
    );
    assert.ok(limits({ maxBodyBytes: 2_000_000, maxDerivationBytes: 1_000_000 }).success);
    assert.equal(derivationLineBytes(4194304), 5593432);
  });
  test('a NAR that is allowed, and that the uploads of one token have no room for, is refused with both names', () => {
    const { error } = limits({ tokenUploadBytes: 16 * 1024 ** 3 });
    assert.match(
      error?.message ?? '',
      /limits\.token-upload-bytes: expected at least \d+, so that a NAR of limits\.max-nar-bytes fits/,
    );
    assert.ok(limits({ tokenUploadBytes: mostFileBytes(16 * 1024 ** 3) }).success);
    assert.ok(limits({ maxNarBytes: 1024 ** 4 }).success, 'what is not set follows');
  });
  test('a derivation that does not fit into a frame cannot be allowed', () => {
    assert.ok(!limits({ maxDerivationBytes: mostDerivationBytes + 1 }).success);
    assert.ok(limits({ maxDerivationBytes: mostDerivationBytes }).success);
  });
});
