import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { pino } from 'pino';
import type { Builder, BuildOutcome, BuildRequest } from '../../agent/ports/builder.ts';
import { sha256 } from '../../domain/store/sha256.ts';
import { allocationOf, startTestAgent, temporaryFolder } from '../support/agent-harness.ts';
import { createFakeBuilder, fileNar } from '../support/fake-builder.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';

const built: BuildOutcome = { status: 'built', durationMs: 5 };
const first = '/nix/store/00000000000000000000000000000001-first';
const second = '/nix/store/00000000000000000000000000000002-second';

/** Writes each output with its own path as contents, and says so in the log. */
async function writeOutputs(
  request: BuildRequest,
  put: (path: string, contents: string) => void,
): Promise<BuildOutcome> {
  await request.onLog(Buffer.from('hello\n'));
  for (const { path } of request.derivation.outputs) put(path, `made ${path}`);
  return built;
}

/** A build that goes on until it is stopped. */
function endless() {
  const started = Promise.withResolvers<void>();
  let stopped = 0;
  return {
    started: started.promise,
    get stopped() {
      return stopped;
    },
    build: (request: BuildRequest) =>
      new Promise<BuildOutcome>((resolve) => {
        request.signal.addEventListener('abort', () => {
          stopped++;
          resolve({ status: 'canceled' });
        });
        started.resolve();
      }),
  };
}

describe('an attempt', () => {
  test('is built, logged, uploaded and reported, and leaves nothing behind', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builder = createFakeBuilder(writeOutputs);
    await using agent = await startTestAgent(coordinator, builder, state.path);
    await coordinator.hello();
    const { message, outputs } = allocationOf('b1', 'true', { outputNames: ['dev', 'out'] });
    coordinator.send(message);

    const result = await coordinator.message('succeeded', 'b1');
    assert.equal(result.type, 'succeeded');
    assert.deepEqual(
      result.outputs.map(({ name, path }) => [name, `/nix/store/${path}`]),
      outputs.map(({ name, path }) => [name, path]),
    );
    assert.equal(result.logBytes, 6);
    assert.deepEqual(Object.keys(result.phases ?? {}), ['waitingMs', 'fetchingMs', 'buildingMs', 'uploadingMs']);
    assert.equal(coordinator.logs.get('b1@1')?.toString(), 'hello\n');
    for (const { upload, path } of result.outputs) {
      const { bytes } = coordinator.uploads.get(upload as string) ?? assert.fail('no upload');
      assert.deepEqual(zstdDecompressSync(bytes), fileNar(`made /nix/store/${path}`));
    }
    const kinds = coordinator.frames.map((frame) => (frame.kind === 'message' ? frame.body.type : frame.kind));
    assert.ok(kinds.indexOf('started') < kinds.indexOf('oob'), 'started comes before the log');
    assert.ok(kinds.indexOf('oob') < kinds.indexOf('succeeded'), 'the log comes before the result');

    await agent.stop('finish');
    assert.deepEqual(await readdir(join(state.path, 'attempts')), []);
    assert.equal(builder.sessions, 0);
    for (const { path } of outputs) assert.ok(builder.held.has(path));
  });

  test('does not upload what the coordinator has already', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(writeOutputs), state.path);
    await coordinator.hello();
    const { message, outputs } = allocationOf('b1', 'true');
    const path = outputs[0]?.path ?? assert.fail('no output');
    coordinator.addItem(path, fileNar('x'));
    coordinator.send(message);
    const result = await coordinator.message('succeeded', 'b1');
    assert.equal(result.type === 'succeeded' && result.outputs[0]?.upload, undefined);
  });

  test('reports the failure that the builder reports', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builder = createFakeBuilder(async () => ({
      status: 'failed',
      class: 'builder-failed',
      message: 'exit code 3',
    }));
    const said: Record<string, unknown>[] = [];
    const logger = pino({}, { write: (line: string) => void said.push(JSON.parse(line)) });
    await using _agent = await startTestAgent(coordinator, builder, state.path, { logger });
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'false').message);
    const result = await coordinator.message('failed', 'b1');
    assert.ok(result.type === 'failed');
    assert.equal(result.class, 'builder-failed');
    assert.equal(result.message, 'exit code 3');
    assert.deepEqual(
      said.filter(({ level }) => Number(level) >= 40).map((line) => [line.build, line.attempt, line.class, line.msg]),
      [['b1', 1, 'builder-failed', 'the attempt failed: exit code 3']],
    );
  });

  test('is refused when its derivation cannot be read', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(writeOutputs), state.path);
    await coordinator.hello();
    coordinator.send({ ...allocationOf('b1', 'true').message, text: Buffer.from('Derive(nonsense') });
    const result = await coordinator.message('setup-failed', 'b1');
    assert.ok(result.type === 'setup-failed');
    assert.equal(result.class, 'rejected');
    assert.deepEqual(Object.keys(result.phases ?? {}), ['waitingMs'], 'no phase that it did not get to');
  });

  test('is stopped by a cancel, which is reported once its build is gone', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const build = endless();
    const said: string[] = [];
    const logger = pino({}, { write: (line: string) => void said.push(line) });
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(build.build), state.path, { logger });
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    await build.started;
    coordinator.send({ type: 'cancel', build: 'b1', attempt: 1, reason: 'nobody wants it' });
    const result = await coordinator.message('released', 'b1');
    assert.equal(result.type === 'released' && result.reason, 'canceled');
    assert.equal(build.stopped, 1);
    const stopped = said.find((line) => line.includes('the attempt is stopped')) ?? '';
    // Twice the same name is one too many for who reads JSON.
    assert.deepEqual(stopped.match(/"(build|attempt)":/g), ['"build":', '"attempt":']);
  });

  test('fails as the fault of the machine when its disk is full', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builder = createFakeBuilder(writeOutputs);
    const full: Builder = {
      ...builder,
      // biome-ignore lint/correctness/useYield: it never comes to that
      async *dump() {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      },
    };
    await using _agent = await startTestAgent(coordinator, full, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const result = await coordinator.message('failed', 'b1');
    assert.equal(result.type === 'failed' && result.class, 'disk-full');
  });

  test('that is not known is released when it is to be cancelled', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(writeOutputs), state.path);
    await coordinator.hello();
    coordinator.send({ type: 'cancel', build: 'b9', attempt: 1, reason: '' });
    const result = await coordinator.message('released', 'b9');
    assert.equal(result.type === 'released' && result.reason, 'unknown-attempt');
  });
});

describe('inputs', () => {
  test('come from the cache, references first, and are held', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builder = createFakeBuilder(writeOutputs);
    coordinator.addItem(first, fileNar('1'));
    coordinator.addItem(second, fileNar('2'), [first.slice(11), second.slice(11)]);
    await using _agent = await startTestAgent(coordinator, builder, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true', { inputs: [second.slice(11)] }).message);
    await coordinator.message('succeeded', 'b1');
    assert.deepEqual(builder.added, [first, second]);
    assert.ok(builder.held.has(first) && builder.held.has(second));
  });

  test('are fetched once for two builds', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builder = createFakeBuilder(writeOutputs);
    coordinator.addItem(first, fileNar('1'));
    await using _agent = await startTestAgent(coordinator, builder, state.path);
    await coordinator.hello();
    for (const build of ['b1', 'b2'])
      coordinator.send(allocationOf(build, 'true', { inputs: [first.slice(11)] }).message);
    await coordinator.message('succeeded', 'b1');
    await coordinator.message('succeeded', 'b2');
    assert.deepEqual(builder.added, [first]);
  });

  test('that the cache lacks are named', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.addItem(second, fileNar('2'), [first.slice(11)]);
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(writeOutputs), state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true', { inputs: [second.slice(11)] }).message);
    const result = await coordinator.message('setup-failed', 'b1');
    assert.ok(result.type === 'setup-failed');
    assert.equal(result.class, 'inputs-missing');
    assert.deepEqual(result.missing, [first.slice(11)]);
  });

  for (const { what, arrange } of [
    {
      what: 'whose NAR is another than the signed one',
      arrange: (coordinator: FakeCoordinator) =>
        coordinator.addItem(first, fileNar('1'), [], { narHash: `sha256:${'0'.repeat(52)}` }),
    },
    {
      what: 'whose NAR is none',
      arrange: (coordinator: FakeCoordinator) => {
        coordinator.addItem(first, fileNar('1'));
        coordinator.spoilNar(first);
      },
    },
  ]) {
    test(`${what} fail the fetch and do not get into the store`, async () => {
      await using coordinator = await startFakeCoordinator();
      await using state = await temporaryFolder();
      const builder = createFakeBuilder(writeOutputs);
      arrange(coordinator);
      await using _agent = await startTestAgent(coordinator, builder, state.path);
      await coordinator.hello();
      coordinator.send(allocationOf('b1', 'true', { inputs: [first.slice(11)] }).message);
      const result = await coordinator.message('setup-failed', 'b1');
      assert.equal(result.type === 'setup-failed' && result.class, 'fetch-failed');
      assert.deepEqual(result.type === 'setup-failed' && result.damaged, [first.slice(11)], 'the coordinator is told');
      assert.deepEqual(builder.added, []);
    });
  }

  test('that refer to each other in a circle are refused', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.addItem(first, fileNar('1'), [second.slice(11)]);
    coordinator.addItem(second, fileNar('2'), [first.slice(11)]);
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(writeOutputs), state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true', { inputs: [second.slice(11)] }).message);
    const result = await coordinator.message('setup-failed', 'b1');
    assert.equal(result.type === 'setup-failed' && result.class, 'fetch-failed');
  });

  test('signed by an unknown key are refused', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.addItem(first, fileNar('1'));
    coordinator.welcome.publicKeys = ['test-1:yKUSiqP9yaMSduDmGtw8U9iVVd/Coyv9csB1rjHtiRM='];
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(writeOutputs), state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true', { inputs: [first.slice(11)] }).message);
    const result = await coordinator.message('setup-failed', 'b1');
    assert.ok(result.type === 'setup-failed');
    assert.match(result.message, /signature/);
  });

  test('are asked for again when the coordinator was away', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.addItem(first, fileNar('1'));
    coordinator.faults.refuse.push(
      { request: 'GET /000', status: 0 },
      { request: 'GET /000', status: 503 },
      { request: 'GET /nar', status: 0 },
    );
    const builder = createFakeBuilder(writeOutputs);
    await using _agent = await startTestAgent(coordinator, builder, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true', { inputs: [first.slice(11)] }).message);
    await coordinator.message('succeeded', 'b1');
    assert.deepEqual(builder.added, [first]);
    assert.deepEqual(coordinator.faults.refuse, []);
  });
});

describe('uploads', () => {
  test('go on where they were cut', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    // Hashes do not compress: the file is long enough to be cut.
    const contents = Buffer.concat(Array.from({ length: 10_000 }, (_, index) => sha256(`${index}`)));
    const builder = createFakeBuilder(async (request, put) => {
      for (const { path } of request.derivation.outputs) put(path, contents);
      return built;
    });
    coordinator.faults.cutUploadAfter = 100_000;
    coordinator.faults.refuse.push(
      { request: 'GET /v1/uploads', status: 0 },
      { request: 'GET /v1/uploads', status: 503 },
    );
    await using _agent = await startTestAgent(coordinator, builder, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const result = await coordinator.message('succeeded', 'b1');
    assert.ok(result.type === 'succeeded');
    const { bytes } = coordinator.uploads.get(result.outputs[0]?.upload as string) ?? assert.fail('no upload');
    assert.deepEqual(zstdDecompressSync(bytes), fileNar(contents));
    assert.equal(coordinator.requests.filter((line) => line.startsWith('PATCH')).length, 2);
  });

  test('that the coordinator forgot or counts otherwise begin anew', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.refuse.push(
      { request: 'PATCH', status: 404, problem: { code: 'unknown-upload' } },
      { request: 'PATCH', status: 409, problem: { code: 'wrong-offset', offset: 0 } },
      { request: 'PATCH', status: 409, problem: { code: 'upload-busy' } },
    );
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(writeOutputs), state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    await coordinator.message('succeeded', 'b1');
    assert.deepEqual(coordinator.faults.refuse, []);
  });

  test('that are refused fail the attempt', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.refuse.push({
      request: 'PATCH',
      status: 422,
      problem: { code: 'wrong-references', detail: 'no' },
    });
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(writeOutputs), state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const result = await coordinator.message('failed', 'b1');
    assert.ok(result.type === 'failed');
    assert.equal(result.class, 'upload-failed');
    assert.match(result.message, /no$/);
  });
});
