import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf } from '../../agent/attempt-failure.ts';
import { BuilderError } from '../../agent/ports/builder.ts';
import { TransferError } from '../../agent/ports/transfer-error.ts';

const refused = (code: string, status = 422) => new TransferError(code, code, { status });

test('an error that ends an attempt has the class of whose it is', () => {
  const cases: readonly [unknown, 'fetch-failed' | 'upload-failed', string][] = [
    [new BuilderError('refused', 'x', { failure: 'rejected' }), 'upload-failed', 'rejected'],
    [new BuilderError('refused', 'x', { failure: 'unknown' }), 'fetch-failed', 'unknown'],
    [new BuilderError('unavailable', 'x'), 'fetch-failed', 'agent-error'],
    [new BuilderError('disk-full', 'x'), 'upload-failed', 'disk-full'],
    [Object.assign(new Error('x'), { code: 'ENOSPC' }), 'upload-failed', 'disk-full'],
    [Object.assign(new Error('no space left on device'), { code: 'EIO' }), 'upload-failed', 'agent-error'],
    // Whatever agent builds it, the output is the same.
    [refused('malformed-nar'), 'upload-failed', 'rejected'],
    [refused('too-large'), 'upload-failed', 'rejected'],
    [refused('too-large'), 'fetch-failed', 'fetch-failed'],
    // Damaged between this agent's store and the coordinator.
    [refused('wrong-nar-hash'), 'upload-failed', 'upload-failed'],
    [refused('wrong-references'), 'upload-failed', 'upload-failed'],
    [refused('nar-missing', 404), 'fetch-failed', 'fetch-failed'],
  ];
  for (const [error, transfer, expected] of cases)
    assert.equal(failureOf(error, transfer).class, expected, `${error} in ${transfer}`);
});
