import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSystemRuntime } from '../../../adapters/runtime/system-runtime.ts';

describe('timers of the machine', () => {
  it('wait for longer than Node can at once, and not at all for what is due', (test) => {
    test.mock.timers.enable({ apis: ['setTimeout'] });
    let passed = 0;
    test.mock.method(performance, 'now', () => passed);
    const { timers } = createSystemRuntime({ keepAlive: true });
    const done: string[] = [];
    const pass = (ms: number) => {
      passed += ms;
      test.mock.timers.tick(ms);
    };
    timers.after(3 * 2 ** 31, () => done.push('long'));
    timers.after(-5, () => done.push('due'));
    timers.after(1000, () => done.push('stopped'))[Symbol.dispose]();
    pass(1);
    assert.deepEqual(done, ['due']);
    pass(2 ** 31 - 1);
    pass(2 ** 31 - 1);
    assert.deepEqual(done, ['due']);
    pass(2 ** 31 + 2);
    assert.deepEqual(done, ['due', 'long']);
  });

  it('do not go by the clock', (test) => {
    test.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
    const { clock } = createSystemRuntime();
    const before = clock.monotonic();
    test.mock.timers.setTime(10 ** 12);
    assert.equal(clock.now(), 10 ** 12);
    assert.ok(clock.monotonic() - before < 10 ** 6);
  });
});
