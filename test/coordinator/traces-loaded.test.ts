import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { pino } from 'pino';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';

it('loads nothing of OpenTelemetry where there are to be no traces', async () => {
  const loaded: string[] = [];
  using _ = {
    hooks: registerHooks({
      load(url, context, next) {
        if (url.includes('@opentelemetry')) loaded.push(url);
        return next(url, context);
      },
    }),
    [Symbol.dispose]() {
      this.hooks.deregister();
    },
  };
  const data = await mkdtemp(join(tmpdir(), 'drover-traces-test-'));
  try {
    const { runCoordinator } = await import('../../programs/coordinator.ts');
    const config = coordinatorConfigSchema.parse({ data, listen: '127.0.0.1:0' });
    const coordinator = await runCoordinator(config, pino({ level: 'silent' }));
    assert.doesNotMatch(await (await fetch(`${coordinator.url}/metrics`)).text(), /drover_trace/);
    await coordinator.close();
    assert.deepEqual(loaded, []);
    // It would have been seen.
    await import('../../adapters/traces/otlp-traces.ts');
    assert.ok(loaded.length > 0);
  } finally {
    await rm(data, { recursive: true });
  }
});
