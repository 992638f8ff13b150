import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { treeOf } from '../support/collected-traces.ts';
import { limited, noRealFarm } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import { startFarm } from '../support/e2e/farm.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';

const ci = '00f067aa0ba902b7';
const ofCi = `00-4bf92f3577b34da6a3ce929d0e0e4736-${ci}-01`;

test('a trace of CI goes on through builds, an agent that is lost, a coordinator that is killed, and hooks', {
  skip: noRealFarm,
}, async (context) => {
  await using receiver = await startOtlpReceiver();
  const told: (string | string[] | undefined)[] = [];
  const hooked = createServer((request, response) => {
    told.push(request.headers.traceparent);
    response.writeHead(204).end();
  });
  hooked.listen(0, '127.0.0.1');
  await once(hooked, 'listening');
  context.after(() => void hooked.close());
  const url = `http://127.0.0.1:${(hooked.address() as AddressInfo).port}/`;

  await using farm = await startFarm({
    flags: ['--lease-seconds', '3', '--hooks-trust-api'],
    // As any program that exports traces is told where to.
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_SERVICE_NAME: 'farm' },
  });
  const body = async (): Promise<void> => {
    const hook = { name: 'tell', on: ['BuildSucceeded'], url, allowPrivate: true };
    assert.equal((await farm.request('POST', '/v1/hooks', { body: hook })).status, 201);
    const first = await farm.agent('a');
    const paths = await farm.instantiate('after');
    const submit = ['submit', '--store-root', farm.evaluated, ...paths];
    assert.equal((await farm.drover(submit, { env: { TRACEPARENT: ofCi } })).code, 0);
    const gate = farm.gate('slow');
    await gate.arrived();
    await farm.agent('b');
    await first.process.killGroup();
    await farm.next('BuildReleased', isBuild(await farm.buildOf('slow')));
    await gate.arrived();
    await farm.kill9();
    gate.open();
    await farm.start();
    await farm.next('BuildSucceeded', isBuild(await farm.buildOf('after')));

    const hooks = () => receiver.spans.filter(({ name }) => name === 'hook tell');
    await receiver.until(() => hooks().length === 2 && receiver.spans.some(({ name }) => name === 'submission'));
    // What was exported before the kill, and again after it, is the same.
    const spans = [...new Map(receiver.spans.map((span) => [span.spanId, span])).values()];
    for (const span of receiver.spans) {
      const { startedAt, endedAt, name } = span;
      assert.ok(startedAt <= endedAt, name);
      if (!name.startsWith('hook'))
        assert.deepEqual(
          span,
          spans.find(({ spanId }) => spanId === span.spanId),
        );
    }
    const lines = treeOf(spans, ci);
    const topmost = lines.filter((line) => !line.startsWith('    ')).map((line) => line.trim());
    assert.deepEqual(topmost.sort(), ['build after', 'build slow', 'queue builds', 'submission']);
    assert.equal(lines.filter((line) => line === '    attempt').length, 3);
    assert.equal(spans[0]?.traceId, ofCi.slice(3, 35));
    const slow = spans.filter(({ attributes }) => String(attributes['drover.derivation']).endsWith('-slow.drv'));
    assert.deepEqual(
      slow.filter(({ name }) => name === 'attempt').map(({ error, attributes }) => [attributes['drover.agent'], error]),
      [
        ['a', 'taken back: agent-lost'],
        ['b', undefined],
      ],
    );
    const uploads = spans.filter(({ name }) => name === 'upload outputs');
    assert.deepEqual(new Set(uploads.map(({ resource }) => resource['service.name'])), new Set(['farm-agent']));
    const waits = spans.filter(({ name }) => name === 'wait for inputs');
    assert.match(String(waits[0]?.attributes['drover.item']), /-slow$/);
    const parts = spans.filter(({ name }) => name === 'receive output');
    assert.ok(parts.length >= 2);
    assert.deepEqual(new Set(told), new Set(hooks().map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`)));
  };
  await limited(context.name, farm, body());
});
