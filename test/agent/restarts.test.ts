import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { BuildOutcome, BuildRequest } from '../../agent/ports/builder.ts';
import { allocationOf, startTestAgent, temporaryFolder } from '../support/agent-harness.ts';
import { createFakeBuilder } from '../support/fake-builder.ts';
import { startFakeCoordinator } from '../support/fake-coordinator.ts';

const built: BuildOutcome = { status: 'built', durationMs: 5 };

/** Builds that wait to be told how they end. */
function controlledBuilds() {
  const started = new Map<string, PromiseWithResolvers<BuildRequest>>();
  const ends = new Map<string, (outcome: BuildOutcome) => void>();
  const of = (name: string) => {
    const known = started.get(name) ?? Promise.withResolvers<BuildRequest>();
    started.set(name, known);
    return known;
  };
  const nameOf = (request: BuildRequest) => request.derivationPath.slice('/nix/store/'.length + 33, -'.drv'.length);
  return {
    started: (name: string) => of(name).promise,
    end: (name: string, outcome: BuildOutcome) => ends.get(name)?.(outcome),
    builder: createFakeBuilder((request, put) => {
      const name = nameOf(request);
      return new Promise((resolve) => {
        ends.set(name, (outcome) => {
          if (outcome.status === 'built') for (const { path } of request.derivation.outputs) put(path, name);
          resolve(outcome);
        });
        request.signal.addEventListener('abort', () => resolve({ status: 'canceled' }));
        of(name).resolve(request);
      });
    }),
  };
}

describe('a lost connection', () => {
  test('changes nothing for what runs; the log goes on where the coordinator has it', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    await using _agent = await startTestAgent(coordinator, builds.builder, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const request = await builds.started('b1');
    await request.onLog(Buffer.from('one\n'));
    while ((coordinator.logs.get('b1@1')?.length ?? 0) < 4) await coordinator.change();
    const mark = coordinator.frames.length;
    coordinator.welcome.logs = [{ build: 'b1', attempt: 1, size: 2 }];
    coordinator.cut();

    const again = await coordinator.hello(mark);
    assert.deepEqual(again.running, [{ build: 'b1', attempt: 1, phase: 'building' }]);
    await request.onLog(Buffer.from('two\n'));
    builds.end('b1', built);
    await coordinator.message('succeeded', 'b1', mark);
    assert.equal(coordinator.logs.get('b1@1')?.toString(), 'one\ntwo\n');
    const offsets = coordinator.frames
      .slice(mark)
      .flatMap((frame) => (frame.kind === 'oob' && frame.body.type === 'log' ? [frame.body.offset] : []));
    assert.equal(offsets[0], 2, 'it goes on from what the coordinator says it has');
  });

  test('loses no result that was not acknowledged', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    await using _agent = await startTestAgent(coordinator, builds.builder, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    await builds.started('b1');
    coordinator.faults.acknowledge = false;
    builds.end('b1', built);
    await coordinator.message('succeeded', 'b1');
    const mark = coordinator.frames.length;
    coordinator.faults.acknowledge = true;
    // A coordinator that restarted knows nothing of the session: numbers begin at 1 again.
    coordinator.restart('coordinator-2');
    const hello = await coordinator.hello(mark);
    assert.deepEqual(hello.running, [{ build: 'b1', attempt: 1, phase: 'ended' }]);
    await coordinator.message('succeeded', 'b1', mark);
  });

  test('starts no build twice that is allocated twice', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    await using _agent = await startTestAgent(coordinator, builds.builder, state.path);
    await coordinator.hello();
    const { message } = allocationOf('b1', 'true');
    coordinator.send(message);
    await builds.started('b1');
    const mark = coordinator.frames.length;
    coordinator.restart('coordinator-2');
    await coordinator.hello(mark);
    coordinator.send(message);
    coordinator.send(allocationOf('b2', 'true').message);
    await builds.started('b2');
    assert.equal(builds.builder.sessions, 2);
  });

  test('ends what the coordinator gave to somebody else meanwhile', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    await using agent = await startTestAgent(coordinator, builds.builder, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const request = await builds.started('b1');
    coordinator.welcome.drop = [{ build: 'b1', attempt: 1 }];
    const stopped = new Promise((resolve) => request.signal.addEventListener('abort', resolve));
    coordinator.cut();
    await stopped;
    await agent.stop('finish');
    const results = coordinator.frames.flatMap((frame) => (frame.kind === 'message' ? [frame.body.type] : []));
    assert.deepEqual(results, ['started']);
    assert.deepEqual(await readdir(join(state.path, 'attempts')), []);
  });
});

describe('an agent that starts again', () => {
  test('gives back what was building when it died', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    {
      await using _agent = await startTestAgent(coordinator, builds.builder, state.path);
      await coordinator.hello();
      coordinator.send(allocationOf('b1', 'true').message);
      await builds.started('b1');
    }
    const mark = coordinator.frames.length;
    await using _agent = await startTestAgent(coordinator, builds.builder, state.path, { session: 'agent-session-2' });
    const result = await coordinator.message('released', 'b1', mark);
    assert.equal(result.type === 'released' && result.reason, 'handed-back');
  });

  test('sends a result that was not acknowledged, and forgets it then', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    coordinator.faults.acknowledge = false;
    {
      await using _agent = await startTestAgent(coordinator, builds.builder, state.path);
      await coordinator.hello();
      coordinator.send(allocationOf('b1', 'true').message);
      const request = await builds.started('b1');
      await request.onLog(Buffer.from('kept\n'));
      builds.end('b1', built);
      await coordinator.message('succeeded', 'b1');
    }
    coordinator.faults.acknowledge = true;
    coordinator.logs.clear();
    const mark = coordinator.frames.length;
    const patches = () => coordinator.requests.filter((line) => line.startsWith('PATCH')).length;
    const before = patches();
    await using agent = await startTestAgent(coordinator, builds.builder, state.path, { session: 'agent-session-2' });
    await coordinator.message('succeeded', 'b1', mark);
    assert.equal(coordinator.logs.get('b1@1')?.toString(), 'kept\n', 'the log went before the result');
    assert.equal(patches(), before, 'nothing was uploaded again');
    await agent.stop('finish');
    assert.deepEqual(await readdir(join(state.path, 'attempts')), []);
  });

  test('goes on with the upload of what was built', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    const asked = Promise.withResolvers<void>();
    {
      await using _agent = await startTestAgent(coordinator, builds.builder, state.path, {
        uploads: {
          // A coordinator that never answers, until the agent gives up the request.
          begin: (_wish, signal) =>
            new Promise((_, reject) => {
              asked.resolve();
              signal.addEventListener('abort', () => reject(signal.reason));
            }),
          status: () => Promise.reject(new Error('not reached')),
          write: () => Promise.reject(new Error('not reached')),
        },
      });
      await coordinator.hello();
      coordinator.send(allocationOf('b1', 'true').message);
      await builds.started('b1');
      builds.end('b1', built);
      await asked.promise;
    }
    // The bytes are those of the spool: the store may have lost the output.
    builds.builder.items.clear();
    const mark = coordinator.frames.length;
    await using _agent = await startTestAgent(coordinator, builds.builder, state.path, { session: 'agent-session-2' });
    const hello = await coordinator.hello(mark);
    assert.deepEqual(hello.running, [{ build: 'b1', attempt: 1, phase: 'uploading' }]);
    const result = await coordinator.message('succeeded', 'b1', mark);
    assert.equal(result.type === 'succeeded' && result.durationMs, 5);
    assert.equal(coordinator.uploads.size, 1);
  });

  test('puts a damaged record aside and goes on', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    await mkdir(join(state.path, 'attempts', 'b1@1'), { recursive: true });
    await writeFile(join(state.path, 'attempts', 'b1@1', 'record.json'), '{"build":');
    await using _agent = await startTestAgent(coordinator, controlledBuilds().builder, state.path);
    const hello = await coordinator.hello();
    assert.deepEqual(hello.running, []);
    assert.deepEqual(await readdir(join(state.path, 'damaged')), ['b1@1']);
  });

  test('is refused a state folder that another one uses', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    await using _agent = await startTestAgent(coordinator, controlledBuilds().builder, state.path);
    await assert.rejects(startTestAgent(coordinator, controlledBuilds().builder, state.path), {
      code: 'folder-in-use',
      message: /no other agent uses/,
    });
  });
});

describe('leaving', () => {
  test('is not what a drain asks for: it finishes, waits, and goes on with what comes after a resume', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    await using agent = await startTestAgent(coordinator, builds.builder, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    await builds.started('b1');
    coordinator.send({ type: 'drain' });
    builds.end('b1', built);
    await coordinator.message('succeeded', 'b1');
    coordinator.send(allocationOf('b2', 'true').message);
    await builds.started('b2');
    builds.end('b2', built);
    await coordinator.message('succeeded', 'b2');
    await agent.stop('finish');
    assert.deepEqual(await agent.ended, { reason: 'stopped' });
  });

  test('with hand-back: what is building is given back at once', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    await using agent = await startTestAgent(coordinator, builds.builder, state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    await builds.started('b1');
    await agent.stop('hand-back');
    const result = await coordinator.message('released', 'b1');
    assert.equal(result.type === 'released' && result.reason, 'handed-back');
    assert.deepEqual(await agent.ended, { reason: 'stopped' });
  });

  test('without the last acknowledgement, when that takes too long', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const builds = controlledBuilds();
    coordinator.faults.acknowledge = false;
    await using agent = await startTestAgent(coordinator, builds.builder, state.path, { farewellMs: 1000 });
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    await builds.started('b1');
    await agent.stop('hand-back');
    assert.deepEqual(await readdir(join(state.path, 'attempts')), ['b1@1'], 'the result waits for the next start');
  });

  test('when the coordinator refuses it for good', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.refuseLink = { code: 'protocol-unsupported', message: 'too old', fatal: true };
    await using agent = await startTestAgent(coordinator, controlledBuilds().builder, state.path);
    assert.deepEqual(await agent.ended, { reason: 'refused', code: 'protocol-unsupported', message: 'too old' });
  });
});
