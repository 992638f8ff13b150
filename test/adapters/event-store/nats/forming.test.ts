import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ApiError, ErrorCode, NatsError } from 'nats';
import { askingCluster } from '../../../../adapters/event-store/nats/forming.ts';

const api = (err_code: number, description: string) => {
  const error = new NatsError(description, '400');
  error.api_error = { code: 400, err_code, description } as ApiError;
  return error;
};
const noPeers = api(10005, 'no suitable peers for placement');
const noLeader = api(10008, 'JetStream system temporarily unavailable');
const noAnswer = new NatsError(ErrorCode.Timeout, ErrorCode.Timeout);
const options = { servers: ['a:4222', 'b:4222'], stream: 'FARM', replicas: 3 };

/** Fails with one after the other, then answers. */
function failing(...errors: readonly Error[]) {
  const left = [...errors];
  return async () => {
    const error = left.shift();
    if (error) throw error;
    return 'answer';
  };
}

it('what a cluster lacks while it forms is waited out, and told once for as long as it is the same', async () => {
  const told: string[] = [];
  const ask = askingCluster(options, { seconds: 300, tell: (what) => told.push(what) });
  const question = failing(noAnswer, noLeader, noPeers, noPeers);
  assert.equal(await ask('making the stream FARM', question), 'answer');
  assert.deepEqual(told, [
    'NATS at a:4222, b:4222, making the stream FARM: no answer; JetStream answers once the cluster has a leader',
    'NATS at a:4222, b:4222, making the stream FARM: JetStream system temporarily unavailable; JetStream answers once the cluster has a leader',
    'NATS at a:4222, b:4222, making the stream FARM: no suitable peers for placement; 3 copies of the log need 3 servers that are there and have room',
  ]);
});

it('what is still lacking at the end of the wait is an error, at once where there is no wait', async () => {
  for (const [waiting, end] of [
    [{ seconds: 0.2, tell: () => {} }, /3 servers that are there and have room\. Drover waited 0 s for that$/],
    [undefined, /3 servers that are there and have room$/],
  ] as const) {
    let asked = 0;
    const question = async () => {
      asked++;
      throw noPeers;
    };
    const ask = askingCluster(options, waiting);
    await assert.rejects(ask('making the stream FARM', question), { code: 'unavailable', message: end });
    assert.equal(asked > 1, waiting !== undefined);
  }
});

it('what does not pass is not waited out', async () => {
  const tell = () => assert.fail('it was waited for');
  const ask = askingCluster(options, { seconds: 300, tell });
  const refused = api(10052, 'replicas > 1 not supported in non-clustered mode');
  await assert.rejects(ask('making the stream FARM', failing(refused)), {
    code: 'unavailable',
    message: 'NATS, making the stream FARM: replicas > 1 not supported in non-clustered mode',
  });
  await assert.rejects(ask('looking', failing(new TypeError('a bug'))), TypeError);
});
