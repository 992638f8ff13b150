import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Client } from '../../cli/http/client.ts';
import { patient } from '../../cli/http/patient.ts';
import { CliError } from '../../cli/output/cli-error.ts';

/** A client whose answers are given one after the other; a text is the code of a refusal. */
function patientOf(...answers: (string | { readonly n: number })[]) {
  const told: string[] = [];
  const get = async () => {
    const answer = answers.shift();
    if (typeof answer === 'string') throw new CliError(answer, `it is ${answer}`);
    return answer;
  };
  const stop = new AbortController();
  const client = patient(
    { get, send: get, request: get } as unknown as Client,
    (reason) => told.push(reason),
    stop.signal,
  );
  return { client, told, stop };
}

describe('a patient client', () => {
  it('waits out an absence, and says so once', async () => {
    const { client, told } = patientOf({ n: 1 }, 'connection-refused', 'connection-failed', { n: 2 });
    assert.deepEqual(await client.get('/v1/status'), { n: 1 });
    assert.deepEqual(await client.send('POST', '/v1/derivations/missing', {}), { n: 2 });
    assert.equal(told.length, 1);
    const first = patientOf('connection-failed', { n: 3 });
    assert.deepEqual(await first.client.request('GET', '/nix-cache-info'), { n: 3 });
    assert.match(told[0] as string, /it is connection-refused; waiting for it, 30 s at most/);
  });

  it('names at once what was never there, and what waiting does not change', async () => {
    await assert.rejects(patientOf('connection-refused', { n: 1 }).client.get('/'), { code: 'connection-refused' });
    await assert.rejects(patientOf('token-unknown', { n: 1 }).client.get('/'), { code: 'token-unknown' });
  });

  it('waits no more once it is interrupted', async () => {
    const { client, stop } = patientOf('not-ready', 'not-ready', { n: 1 });
    const answer = client.get('/');
    stop.abort();
    await assert.rejects(answer, { code: 'not-ready' });
  });
});
