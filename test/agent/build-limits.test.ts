import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildWithinLimits } from '../../agent/build-limits.ts';
import type { BuilderSession, BuildOutcome, BuildRequest } from '../../agent/ports/builder.ts';
import { manualRuntime } from '../support/fast-runtime.ts';
import { buildRequest, shellDerivation } from '../support/nix-store.ts';

const slack = { timeoutSeconds: 5, maxSilentSeconds: 5 };
const limits = { timeoutSeconds: 100, maxSilentSeconds: 10, maxLogBytes: 10 };

/** A builder that minds no limit and ends only when it is stopped. */
function heedless() {
  let asked: BuildRequest | undefined;
  const session: BuilderSession = {
    hold: () => Promise.resolve(),
    build(request) {
      asked = request;
      return new Promise<BuildOutcome>((resolve) => {
        request.signal.addEventListener('abort', () => resolve({ status: 'canceled' }));
      });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { session, log: (text: string) => asked?.onLog(Buffer.from(text)) };
}

describe('the limits of a build hold though the builder does not mind them', () => {
  test('time', async () => {
    const runtime = manualRuntime();
    const builder = heedless();
    const outcome = buildWithinLimits(builder.session, buildRequest(shellDerivation('x', ''), limits), runtime, slack);
    for (let second = 0; second < 106; second += 2) {
      void builder.log('');
      runtime.advance(2000);
    }
    assert.deepEqual(await outcome, { status: 'failed', class: 'timed-out', message: 'timed out after 100 seconds' });
  });

  test('silence', async () => {
    const runtime = manualRuntime();
    const builder = heedless();
    const request = buildRequest(shellDerivation('x', ''), limits);
    let ended = false;
    const outcome = buildWithinLimits(builder.session, request, runtime, slack).finally(() => {
      ended = true;
    });
    runtime.advance(14_000);
    void builder.log('x');
    runtime.advance(14_000);
    await Promise.resolve();
    assert.equal(ended, false, 'the line counted');
    runtime.advance(1_000);
    const got = await outcome;
    assert.equal(got.status === 'failed' && got.class, 'silent-too-long');
  });

  test('and neither of them goes by the clock, which may jump', async () => {
    const runtime = manualRuntime();
    const request = buildRequest(shellDerivation('x', ''), limits);
    let ended = false;
    const outcome = buildWithinLimits(heedless().session, request, runtime, slack).finally(() => {
      ended = true;
    });
    runtime.advance(10_000);
    runtime.jump(1e9);
    runtime.advance(4_000);
    await Promise.resolve();
    assert.equal(ended, false, 'a clock that was set forward is no silence');
    runtime.jump(-2e9);
    runtime.advance(1_000);
    const got = await outcome;
    assert.equal(got.status === 'failed' && got.class, 'silent-too-long');
  });

  test('log', async () => {
    const builder = heedless();
    const request = buildRequest(shellDerivation('x', ''), limits);
    const outcome = buildWithinLimits(builder.session, request, manualRuntime(), slack);
    await builder.log('123456');
    await builder.log('789012345');
    await builder.log('more');
    const got = await outcome;
    assert.equal(got.status === 'failed' && got.class, 'log-limit');
    assert.equal(request.log(), '1234567890');
  });

  test('and a cancel stays a cancel', async () => {
    const stop = new AbortController();
    const builder = heedless();
    const request = buildRequest(shellDerivation('x', ''), { ...limits, signal: stop.signal });
    const outcome = buildWithinLimits(builder.session, request, manualRuntime(), slack);
    stop.abort();
    assert.deepEqual(await outcome, { status: 'canceled' });
  });
});
