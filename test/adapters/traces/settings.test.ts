import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { traceSettings } from '../../../adapters/traces/settings.ts';

const nothing = { ratio: 1 };

describe('traceSettings', () => {
  it('has none where nothing says where traces go', () => {
    assert.equal(traceSettings(nothing, {}), undefined);
    assert.equal(traceSettings(nothing, { OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_SERVICE_NAME: 'x' }), undefined);
  });

  it('adds the path of traces to the base URL, once', () => {
    const urlOf = (endpoint: string) => traceSettings({ ...nothing, endpoint }, {})?.url;
    assert.equal(urlOf('http://collector:4318'), 'http://collector:4318/v1/traces');
    assert.equal(urlOf('http://collector:4318/'), 'http://collector:4318/v1/traces');
    assert.equal(urlOf('https://host/otlp/?k=v'), 'https://host/otlp/v1/traces?k=v');
    assert.equal(urlOf('http://collector:4318/v1/traces'), 'http://collector:4318/v1/traces');
  });

  it('takes the variables of OpenTelemetry, and its own settings before them', () => {
    for (const name of ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) {
      const found = traceSettings(nothing, { [name]: 'http://collector:4318', OTEL_SERVICE_NAME: 'farm' });
      // Which of them, and what is added to it, is the exporter's business.
      assert.deepEqual(found, { url: undefined, headersFile: undefined, ratio: 1, serviceName: 'farm' });
    }
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://other', OTEL_SERVICE_NAME: 'other' };
    const own = traceSettings({ ratio: 0.5, endpoint: 'http://own', serviceName: 'own' }, environment);
    assert.deepEqual(own, {
      url: 'http://own/v1/traces',
      headersFile: undefined,
      ratio: 0.5,
      serviceName: 'own',
    });
  });

  it('has none where OpenTelemetry is switched off', () => {
    assert.equal(traceSettings({ ...nothing, endpoint: 'http://own' }, { OTEL_SDK_DISABLED: 'true' }), undefined);
  });
});
