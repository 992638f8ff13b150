import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { createMetrics } from '../../../adapters/http/metrics/registry.ts';
import { addTraceMetrics } from '../../../adapters/http/metrics/trace-metrics.ts';
import { type OtlpTracesOptions, openOtlpTraces } from '../../../adapters/traces/otlp-traces.ts';
import type { TraceSpan } from '../../../domain/trace-span.ts';
import { startOtlpReceiver } from '../../support/otlp-receiver.ts';

const span = (n: number, more: Partial<TraceSpan> = {}): TraceSpan => ({
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: n.toString(16).padStart(16, '0'),
  name: `span ${n}`,
  startedAt: 1_700_000_000_000 + n,
  endedAt: 1_700_000_000_123 + n,
  attributes: {},
  ...more,
});

describe('openOtlpTraces', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-traces-test-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function open(url: string, more: Partial<OtlpTracesOptions> = {}) {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line).msg) });
    const file = join(folder, `${Math.random()}.json`);
    const settings = { url: `${url}/v1/traces`, headersFile: undefined, ratio: 1, serviceName: 'drover' };
    const options = { ...settings, version: '1.2', file, logger, delayMs: 1, ...more };
    return { traces: await openOtlpTraces(options), lines, file, options };
  }

  it('sends spans as they are, with who made them, to a receiver that reads the protocol', async () => {
    await using receiver = await startOtlpReceiver();
    const headersFile = join(folder, 'headers');
    await writeFile(headersFile, '# of the collector\nauthorization: Bearer s3cret \r\n\nx-scope: a:b\n');
    const { traces, lines, file, options } = await open(receiver.url, { headersFile });
    const attributes = { 'drover.build': 'b-1', 'drover.attempt': 2, yes: true };
    const link = { traceId: '0'.repeat(31).concat('7'), spanId: '00f067aa0ba902b7', sampled: true };
    traces.export(span(1, { attributes, error: 'exit code 1', links: [link], kind: 'client' }), 5000);
    traces.export(span(2, { parentSpanId: span(1).spanId, agent: 'worker-1' }), 6000);
    await traces[Symbol.asyncDispose]();
    const common = { traceId: span(1).traceId, startedAt: 1_700_000_000_001, endedAt: 1_700_000_000_124 };
    assert.deepEqual(receiver.spans, [
      {
        ...common,
        spanId: '0000000000000001',
        name: 'span 1',
        kind: 3,
        attributes,
        resource: { 'service.name': 'drover', 'service.version': '1.2' },
        links: [{ traceId: link.traceId, spanId: link.spanId }],
        error: 'exit code 1',
      },
      {
        ...common,
        spanId: '0000000000000002',
        parentSpanId: '0000000000000001',
        name: 'span 2',
        kind: 1,
        startedAt: common.startedAt + 1,
        endedAt: common.endedAt + 1,
        attributes: {},
        resource: { 'service.name': 'drover-agent', 'service.instance.id': 'worker-1' },
        links: [],
      },
    ]);
    const [headers] = receiver.headers;
    assert.deepEqual(
      [headers?.authorization, headers?.['x-scope'], headers?.['content-type']],
      ['Bearer s3cret', 'a:b', 'application/x-protobuf'],
    );
    assert.deepEqual(traces.counts, { exported: 2, failed: 0, dropped: 0 });
    assert.deepEqual(lines, []);
    assert.equal(traces.doneUntil, (JSON.parse(await readFile(file, 'utf8')) as { until: number }).until);
    const next = await openOtlpTraces(options);
    assert.equal(next.doneUntil, traces.doneUntil);
    await next[Symbol.asyncDispose]();
  });

  it('waits for nobody: what a receiver that hangs leaves no room for is dropped, counted and said once', async () => {
    await using receiver = await startOtlpReceiver();
    receiver.answer = 'never';
    const { traces, lines } = await open(receiver.url, { mostWaiting: 10, graceMs: 1 });
    for (let n = 1; n <= 25; n++) traces.export(span(n), n);
    assert.deepEqual(traces.counts, { exported: 0, failed: 0, dropped: 15 });
    await receiver.until(() => receiver.headers.length === 1);
    traces.export(span(26), 26);
    const metrics = createMetrics();
    addTraceMetrics(metrics, traces);
    assert.match(metrics.render(), /^drover_trace_spans_total\{result="dropped"\} 16$/m);
    // Nor does the end of the process.
    await traces[Symbol.asyncDispose]();
    assert.deepEqual(lines, [
      'the collector of traces does not keep up: spans are dropped',
      'spans were left behind, as their collector did not take them',
    ]);
  });

  it('counts what a receiver refuses, says so once, and goes on when it takes spans again', async () => {
    await using receiver = await startOtlpReceiver();
    receiver.answer = 400;
    const { traces, lines } = await open(receiver.url);
    for (let n = 1; n <= 3; n++) {
      traces.export(span(n), n);
      await receiver.until(() => receiver.headers.length === n);
    }
    receiver.answer = 200;
    // The answers to the others may be on their way.
    while (receiver.spans.length === 0) {
      traces.export(span(4), 4);
      await receiver.until(() => receiver.headers.length > 3);
    }
    await traces[Symbol.asyncDispose]();
    assert.equal(traces.counts.failed, 3);
    assert.equal(traces.counts.exported, receiver.spans.length);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^spans could not be exported and are lost: /);
  });

  it('says at once that the file with headers cannot be used', async () => {
    const headersFile = join(folder, 'bad-headers');
    await writeFile(headersFile, 'authorization: ok\nBearer secret\n');
    await using receiver = await startOtlpReceiver();
    const { traces, lines } = await open(receiver.url, { headersFile });
    traces.export(span(1), 1);
    await traces[Symbol.asyncDispose]();
    assert.deepEqual(traces.counts, { exported: 0, failed: 1, dropped: 0 });
    assert.equal(receiver.headers.length, 0);
    const [line = ''] = lines;
    assert.match(line, /bad-headers: expected "name: value" on line 2, got something else$/);
    assert.ok(!line.includes('secret'));
  });

  it('samples the same traces each time, as many as the ratio says', async () => {
    const { traces } = await open('http://127.0.0.1:9', { ratio: 0.25 });
    const ids = Array.from({ length: 4000 }, (_, n) => Math.imul(n + 1, 0x9e3779b1) >>> 0).map((n) =>
      n.toString(16).padStart(32, '1'),
    );
    const taken = ids.filter((id) => traces.samples(id));
    assert.ok(taken.length > 900 && taken.length < 1100, `${taken.length}`);
    assert.ok(taken.every((id) => traces.samples(id)));
    await traces[Symbol.asyncDispose]();
  });
});
