import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../../adapters/http/metrics/registry.ts';

test('counters, gauges and histograms in the text format of Prometheus', () => {
  const metrics = createMetrics();
  const counter = metrics.counter('events_total', 'Events \\ of\nall kinds.');
  counter.add({ type: 'a"b\\c\nd' });
  counter.add({ type: 'a"b\\c\nd' }, 2);
  let value = 1;
  metrics.gauge('heat', 'Degrees.', () => [[{}, value]]);
  const histogram = metrics.histogram('seconds', 'Time.', [0.1, 1]);
  for (const seconds of [0.05, 0.1, 0.5, 3]) histogram.observe({ route: '/' }, seconds);
  value = -0.5;
  assert.equal(
    metrics.render(),
    [
      '# HELP events_total Events \\\\ of\\nall kinds.',
      '# TYPE events_total counter',
      'events_total{type="a\\"b\\\\c\\nd"} 3',
      '# HELP heat Degrees.',
      '# TYPE heat gauge',
      'heat -0.5',
      '# HELP seconds Time.',
      '# TYPE seconds histogram',
      'seconds_bucket{route="/",le="0.1"} 2',
      'seconds_bucket{route="/",le="1"} 3',
      'seconds_bucket{route="/",le="+Inf"} 4',
      'seconds_sum{route="/"} 3.65',
      'seconds_count{route="/"} 4',
      '',
    ].join('\n'),
  );
});

test('a figure that cannot be had has no sample, and keeps nobody from the others', () => {
  const metrics = createMetrics();
  metrics.gauge('broken', 'Fails.', () => {
    throw new Error('not now');
  });
  metrics.gauge('whole', 'Works.', () => [[{}, 1]]);
  assert.match(metrics.render(), /# TYPE broken gauge\n# HELP whole Works\.\n# TYPE whole gauge\nwhole 1\n$/);
});

test('a name is taken once and has to be one', () => {
  const metrics = createMetrics();
  metrics.counter('a_total', '');
  assert.throws(() => metrics.gauge('a_total', '', () => []), /again/);
  assert.throws(() => metrics.counter('a b', ''), /metric name/);
});

test('what several figures are read from is asked for once each time', () => {
  const metrics = createMetrics();
  let asked = 0;
  const status = metrics.shared(() => ++asked);
  for (const name of ['a', 'b', 'c']) metrics.gauge(name, '', () => [[{}, status()]]);
  for (const time of [1, 2])
    assert.deepEqual(metrics.render().match(/^[abc] .*$/gm), [`a ${time}`, `b ${time}`, `c ${time}`]);
});
