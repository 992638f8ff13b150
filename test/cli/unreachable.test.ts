import assert from 'node:assert/strict';
import { it } from 'node:test';
import { toCliError } from '../../cli/http/client.ts';
import { CliError } from '../../cli/output/cli-error.ts';
import { DroverUnreachable } from '../../client/errors.ts';

it('a coordinator that did not answer is said in one sentence, whether or not there is a cause', () => {
  for (const options of [undefined, { cause: new Error('it ended early') }]) {
    const error = toCliError(new DroverUnreachable('it ended early', options), 'http://x');
    assert.ok(error instanceof CliError);
    assert.equal(error.message, 'the connection to the coordinator at http://x failed: it ended early');
    assert.equal(error.code, 'connection-failed');
  }
});
