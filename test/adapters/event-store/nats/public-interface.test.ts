import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from 'nats';
import { openNatsEventStore } from '../../../../adapters/event-store/nats/store.ts';
import { collect, commitOf, stored } from '../../../contract/commits.ts';
import { noNatsServer, startNatsServer } from '../../../support/nats-server.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** A block of docs/engines.md. */
function documented(name: string): string {
  const text = readFileSync(new URL('../../../../docs/engines.md', import.meta.url), 'utf8');
  const block = text.split(`<!-- tested: ${name} -->`)[1]?.split('```')[1];
  assert.ok(block, `docs/engines.md has a block ${name}`);
  return block.slice(block.indexOf('\n') + 1);
}

it('what docs/engines.md says of subjects, messages, permissions and its example consumer is true', {
  skip: noNatsServer,
}, async () => {
  await using server = await startNatsServer(documented('permissions'));
  const address = `127.0.0.1:${server.port}`;
  const options = {
    servers: [address],
    stream: 'DROVER',
    login: { kind: 'password', user: 'drover', password: 'change me' },
  } as const;
  for (let time = 0; time < 2; time++) {
    await using store = await openNatsEventStore({ ...options, writer: { holder: 'the documentation' } });
    const first = time * 2;
    stored(await store.append(commitOf('build-1', first === 0 ? 'none' : first - 1, ['a', 'b'])));
    stored(await store.append(commitOf('item-x.y', 'any')));
    assert.equal((await collect(store.readAll())).flatMap(({ events }) => events).length, (time + 1) * 3);
    assert.equal((await collect(store.read('build-1'))).length, (time + 1) * 2);
    assert.equal(store.obstacle, undefined);
  }

  const follow = async (env: object) =>
    (
      await promisify(execFile)(process.execPath, ['--input-type=module', '-e', documented('example consumer')], {
        cwd: root,
        env: {
          ...process.env,
          NATS_URL: address,
          NATS_USER: 'follower',
          NATS_PASSWORD: 'change me too',
          ONCE: '1',
          ...env,
        },
      })
    ).stdout.trimEnd();
  assert.equal(
    await follow({}),
    [
      '2 build-1@0 Counted {"value":"a"}',
      '2 build-1@1 Counted {"value":"b"}',
      '5 build-1@2 Counted {"value":"a"}',
      '5 build-1@3 Counted {"value":"b"}',
    ].join('\n'),
  );
  assert.equal((await follow({ CHECKPOINT: '2' })).split('\n').length, 2);

  const nc = await connect({ servers: address, user: 'drover', pass: 'change me' });
  try {
    const { streams } = await nc.jetstreamManager({ checkAPI: false });
    const commit = await streams.getMessage('DROVER', { seq: 5 });
    assert.equal(commit.subject, 'drover.DROVER.build.1');
    assert.equal(commit.header.get('Drover-Format'), '1');
    const body = commit.json<Record<string, unknown>>();
    assert.deepEqual(Object.keys(body).sort(), [
      'at',
      'commit',
      'events',
      'fence',
      'format',
      'meta',
      'previous',
      'revision',
      'stream',
    ]);
    assert.deepEqual([body.stream, body.revision, body.previous], ['build-1', 2, 2]);
    assert.equal(commit.header.get('Nats-Msg-Id'), `build-1/${body.commit}`);
    assert.equal((await streams.getMessage('DROVER', { seq: 3 })).subject, 'drover.DROVER.item.x=2Ey');
    const begun = await streams.getMessage('DROVER', { seq: 4 });
    assert.equal(begun.subject, 'drover.DROVER._writer');
    assert.deepEqual(begun.json(), {
      format: 1,
      holder: 'the documentation',
      fence: body.fence,
      head: '00000000000000030000',
    });
  } finally {
    await nc.close();
  }

  const follower = await connect({ servers: address, user: 'follower', pass: 'change me too' });
  await assert.rejects(follower.jetstream().publish('drover.DROVER.build.1', ''), /permission/i);
  await follower.close();
});
