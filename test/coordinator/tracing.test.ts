import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../adapters/event-store/memory/store.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { hookDefaults } from '../../domain/hook/definition.ts';
import { parseTraceparent } from '../../domain/trace-context.ts';
import { collectTraces, treeOf } from '../support/collected-traces.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../support/coordinator.ts';
import { createFakeHookTransport } from '../support/fake-hook-transport.ts';

const ci = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const ofCi = `00-${ci.traceId}-${ci.spanId}-01`;

async function open(traces?: ReturnType<typeof collectTraces>, store = openMemoryEventStore() as EventStore, seed = 1) {
  const hookTransport = createFakeHookTransport();
  const facts = [derivation(1), derivation(2, [1])];
  const farm = await openTestCoordinator(facts, { store, seed, hookTransport, ...(traces && { traces }) });
  const submit = async (traceparent?: string, root = 2) => {
    const result = await farm.application.submit(admin, {
      roots: [drvPath(root)],
      options: { priority: 0 },
      inputs: true,
      force: false,
      ...(traceparent !== undefined && { traceparent }),
    });
    await farm.settle();
    return result.submission;
  };
  const next = () => farm.allocations()[0] ?? assert.fail('nothing was allocated');
  const traceparents = async () => {
    const found = new Set<string | undefined>();
    for await (const { events } of store.readAll())
      for (const { stream, meta } of events) if (/^(submission|build|item)-/.test(stream)) found.add(meta.trace);
    return [...found];
  };
  return { ...farm, hookTransport, submit, next, traceparents };
}
type Opened = Awaited<ReturnType<typeof open>>;

/** Two builds, the first of which fails on one agent and succeeds on another, and a hook that hears of the end. */
async function liveThrough(farm: Opened, traceparent?: string): Promise<void> {
  await farm.connect('a');
  const target = { kind: 'webhook', url: 'http://receiver/' } as const;
  const definition = { ...hookDefaults, on: ['BuildSucceeded'], where: { name: ['*o2*'] }, target };
  await farm.application.addHook(admin, 'tell', { definition: { ...definition, where: {} }, from: 'now' });
  await farm.submit(traceparent);
  const failing = farm.next();
  await farm.pass(1);
  await farm.report('a', { type: 'started', build: failing.build, attempt: 1 });
  await farm.pass(4);
  await farm.connect('b');
  const how = {
    class: 'builder-failed',
    message: 'exit code 1',
    durationMs: 3000,
    phases: { fetchingMs: 800 },
  } as const;
  await farm.report('a', { type: 'failed', build: failing.build, attempt: 1, ...how });
  await farm.application.steerAgent(admin, 'a', 'pause');
  await farm.pass(30);
  const again = farm.next();
  assert.equal(again.agent, 'b');
  await farm.report('b', { type: 'started', build: again.build, attempt: 2 });
  await farm.pass(2);
  await farm.succeed('b', again, 1);
  const second = farm.next();
  await farm.succeed('b', second, 2, [outPath(1)]);
  for (const delivery of [...farm.hookTransport.inFlight]) delivery.end({ ok: true });
  await farm.settle();
}

const tree = [
  'submission',
  '  build d1',
  '    attempt',
  '      wait at the agent',
  '      fetch inputs',
  '      run the builder',
  '    back-off',
  '    attempt',
  '      wait at the agent',
  '      run the builder',
  '      upload outputs',
  '    hook tell',
  '  build d2',
  '    wait for inputs',
  '    attempt',
  '    hook tell',
  '  queue builds',
];
const ofLog = ({ name }: { name: string }): boolean => !name.startsWith('hook');

describe('tracing', () => {
  it('makes one tree of all that a submission led to, under the span that came with it', async () => {
    const traces = collectTraces();
    const farm = await open(traces);
    await liveThrough(farm, ofCi);
    for (const { traceId } of traces.spans) assert.equal(traceId, ci.traceId);
    assert.deepEqual(treeOf(traces.spans, ci.spanId), tree);
    const failed = traces.spans.filter(({ error }) => error !== undefined);
    assert.deepEqual(
      failed.map(({ name, error, agent, attributes }) => [name, error, agent, attributes['error.type']]),
      [
        ['attempt', 'exit code 1', undefined, 'builder-failed'],
        ['run the builder', 'exit code 1', 'a', undefined],
      ],
    );
    const builder = failed[1] ?? assert.fail();
    assert.equal(builder.endedAt - builder.startedAt, 4000);
    const fetching = traces.spans.find(({ name }) => name === 'fetch inputs') ?? assert.fail();
    assert.deepEqual([fetching.endedAt - fetching.startedAt, fetching.endedAt], [800, builder.startedAt]);
    const hooks = traces.spans.filter(({ name }) => name === 'hook tell');
    const told = farm.hookTransport.begun.length;
    assert.equal(hooks.length, told);
  });

  it('tells receivers and events the same trace, with the span that they belong to', async () => {
    const traces = collectTraces();
    const farm = await open(traces);
    await farm.connect('a');
    const target = { kind: 'command', run: 'true' } as const;
    const definition = { ...hookDefaults, on: ['BuildSucceeded' as const], target };
    await farm.application.addHook(admin, 'h', { definition, from: 'now' });
    await farm.submit(undefined, 1);
    await farm.succeed('a', farm.next(), 1);
    const [delivery] = farm.hookTransport.inFlight;
    const told = parseTraceparent(delivery?.traceparent);
    delivery?.end({ ok: false, error: 'no luck' });
    await farm.settle();
    const hook = traces.spans.find(({ name }) => name === 'hook h');
    assert.deepEqual(told, { traceId: hook?.traceId, spanId: hook?.spanId, sampled: true });
    assert.equal(hook?.error, 'no luck');
    const ids = new Map(traces.spans.map(({ name, spanId }) => [spanId, name]));
    const places = (await farm.traceparents()).map((trace) => ids.get(parseTraceparent(trace)?.spanId ?? ''));
    assert.deepEqual(new Set(places), new Set(['submission', 'build d1']));
  });

  it('gives the same spans when the log is read again, and none of those that are dealt with', async () => {
    const store = openMemoryEventStore();
    const traces = collectTraces();
    const farm = await open(traces, store);
    await liveThrough(farm);
    farm.dispose();
    const again = collectTraces();
    (await open(again, store)).dispose();
    const sorted = (spans: typeof traces.spans) => spans.filter(ofLog).sort((a, b) => (a.spanId < b.spanId ? -1 : 1));
    assert.deepEqual(sorted(again.spans), sorted(traces.spans));
    const last = Math.max(...traces.spans.map(({ at }) => at));
    const later = collectTraces({ doneUntil: last - 1 });
    (await open(later, store)).dispose();
    assert.ok(later.spans.length > 0 && later.spans.every(({ at }) => at === last));
  });

  it('goes on with a trace that a stop of the coordinator cut in two', async () => {
    const store = openMemoryEventStore();
    const before = collectTraces();
    const first = await open(before, store);
    await first.connect('a');
    await first.submit();
    const { build, attempt } = first.next();
    await first.report('a', { type: 'started', build, attempt });
    await first.pass(5);
    first.dispose();

    const after = collectTraces({ doneUntil: first.time.runtime.clock.now() });
    const second = await open(after, store, 2);
    await second.connect('a', {}, [{ build, attempt, phase: 'building' }]);
    await second.succeed('a', { build, attempt }, 1);
    await second.succeed('a', second.next(), 2, [outPath(1)]);
    const spans = [...before.spans, ...after.spans];
    assert.deepEqual(
      treeOf(spans).filter((line) => !/ {4}/.test(line)),
      ['submission', '  build d1', '  build d2', '  queue builds'],
    );
    assert.equal(before.spans.length, 1);
  });

  it('makes no span of what is not sampled, and says so to whoever goes on', async () => {
    for (const [incoming, samples] of [
      [ofCi.replace(/01$/, '00'), true],
      [undefined, false],
      ['00-nonsense', false],
    ] as const) {
      const traces = collectTraces({ samples });
      const farm = await open(traces);
      await farm.connect('a');
      await farm.submit(incoming, 1);
      await farm.succeed('a', farm.next(), 1);
      assert.deepEqual(traces.spans, []);
      for (const trace of await farm.traceparents()) assert.equal(parseTraceparent(trace)?.sampled, false);
    }
  });

  it('carries what came with a submission where nothing is exported, and nothing else', async () => {
    const farm = await open();
    await liveThrough(farm, ofCi);
    assert.deepEqual(await farm.traceparents(), [ofCi]);
    const without = await open();
    await liveThrough(without, 'malformed');
    assert.deepEqual(await without.traceparents(), [undefined]);
    // Of a version to come, what this one says; each event has it, and it may be long.
    const later = await open();
    await later.submit(`${ofCi.replace(/^00/, 'cc')}-${'x'.repeat(1000)}`);
    assert.deepEqual(await later.traceparents(), [ofCi]);
  });
});
