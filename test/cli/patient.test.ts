import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Client } from '../../cli/http/client.ts';
import { patient } from '../../cli/http/patient.ts';
import { CliError } from '../../cli/output/cli-error.ts';

const untouched = ['connection-refused', 'not-ready', 'store-unavailable'];

/** A client whose answers are given one after the other; a text is the code of a refusal. */
function patientOf(...answers: (string | { readonly n: number })[]) {
  const told: string[] = [];
  const get = async () => {
    const answer = answers.shift();
    if (typeof answer !== 'string') return answer;
    const mayPass =
      answer === 'connection-failed'
        ? { untouched: false }
        : untouched.includes(answer)
          ? { untouched: true, afterMs: 10 }
          : undefined;
    throw new CliError(answer, `it is ${answer}`, { mayPass });
  };
  const stop = new AbortController();
  const plain = { get, send: get, request: get, call: get } as unknown as Client;
  const options = { onWait: (reason: string) => void told.push(reason), signal: stop.signal };
  return { client: patient(plain, options), repeating: patient(plain, { ...options, repeatable: true }), told, stop };
}

describe('a patient client', () => {
  it('waits out an absence, and says so once', async () => {
    const { repeating, told } = patientOf({ n: 1 }, 'connection-refused', 'connection-failed', { n: 2 });
    assert.deepEqual(await repeating.get('/v1/status'), { n: 1 });
    assert.deepEqual(await repeating.send('POST', '/v1/derivations/missing', {}), { n: 2 });
    assert.equal(told.length, 1);
    const first = patientOf('connection-failed', { n: 3 });
    assert.deepEqual(await first.client.request('GET', '/nix-cache-info'), { n: 3 });
    assert.match(told[0] as string, /it is connection-refused; waiting for it, 60 s at most/);
  });

  it('names at once what was never there, and what waiting does not change', async () => {
    await assert.rejects(patientOf('connection-refused', { n: 1 }).client.get('/'), { code: 'connection-refused' });
    await assert.rejects(patientOf('token-unknown', { n: 1 }).client.get('/'), { code: 'token-unknown' });
  });

  it('sends again what was turned away, but not what may have been done', async () => {
    const { client, told } = patientOf('not-ready', 'store-unavailable', { n: 1 });
    assert.deepEqual(await client.send('POST', '/v1/builds/b/cancel', {}), { n: 1 });
    assert.equal(told.length, 1);
    await assert.rejects(patientOf('connection-failed', { n: 1 }).client.send('POST', '/v1/agents', {}), {
      code: 'connection-failed',
    });
    const patch = patientOf('connection-failed', { n: 1 }).repeating;
    await assert.rejects(patch.call('PATCH', '/v1/uploads/u'), { code: 'connection-failed' });
    // Trouble with the log leaves open whether it has what was sent.
    const twice = patientOf('store-unavailable', 'agent-exists').client.send('POST', '/v1/agents', {});
    await assert.rejects(twice, { code: 'agent-exists', hint: /an earlier try may have done it/ });
  });

  it('waits no more once it is interrupted', async () => {
    const { client, stop } = patientOf('not-ready', 'not-ready', { n: 1 });
    const answer = client.get('/');
    stop.abort();
    await assert.rejects(answer, { code: 'not-ready' });
  });
});
