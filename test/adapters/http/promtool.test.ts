import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { createMetrics } from '../../../adapters/http/metrics/registry.ts';
import { addTraceMetrics } from '../../../adapters/http/metrics/trace-metrics.ts';
import { findPromtool } from '../../../scripts/debian/promtool.ts';
import { harness } from './harness.ts';

const promtool = findPromtool();
const skip = promtool === undefined && "promtool is not set up here ('npm run setup -- --promtool')";

/** What Prometheus's own checker has to say of an exposition; nothing where all is right. */
function problemsOf(text: string): string {
  const { stdout, stderr, status, error } = spawnSync(promtool as string, ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  assert.ifError(error);
  return status === 0 ? '' : `${stdout}${stderr}`;
}

describe('/metrics, by promtool', { skip }, () => {
  it('has nothing that Prometheus would not take, or that its conventions advise against', async () => {
    const metrics = createMetrics();
    addTraceMetrics(metrics, { counts: { exported: 1, failed: 0, dropped: 0 } });
    await using server = await harness({ metrics });
    await server.ask('read', { url: '/v1/builds/b-1' });
    const { body } = await server.ask(undefined, { url: '/metrics' });
    for (const name of ['drover_hook_parked', 'drover_builds', 'drover_trace_spans_total'])
      assert.match(body, new RegExp(`^${name}\\{`, 'm'));
    assert.match(body, /^drover_http_request_duration_seconds_bucket/m);
    assert.equal(problemsOf(body), '');
  });

  it('is what is asked', () => {
    assert.match(problemsOf('# HELP events Some.\n# TYPE events counter\nevents 1\n'), /"_total" suffix/);
    assert.match(problemsOf('a{b="c} 1\n'), /error/);
  });
});
