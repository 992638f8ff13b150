import assert from 'node:assert/strict';
import { Packr } from 'msgpackr';
import { maxFrameBytes } from '../../domain/limits.ts';
import { dial, hello } from '../adapters/agent-link/raw-agent.ts';
import { declarationOf, narOf } from '../adapters/pool/nars.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import { expectRefused, expectUnchanged } from '../support/e2e/expect-refused.ts';

e2e("frames that are none, and reports about what is not the agent's", {}, async (farm) => {
  const tokenOf = async (name: string) => {
    const { body } = await farm.request('POST', '/v1/agents', { body: { name } });
    return (body.token ?? body.secret) as string;
  };
  const [a, b] = [await tokenOf('a'), await tokenOf('b')];
  const packr = new Packr({ useRecords: false });
  const frames: [string, Uint8Array | string, string, RegExp][] = [
    ['text', 'hello', 'malformed-frame', /binary/],
    ['no msgpack', Buffer.from([0xc1, 0xff, 0x00]), 'malformed-frame', /expected/],
    ['cut msgpack', packr.pack({ kind: 'hello' }).subarray(0, -2), 'malformed-frame', /expected/],
    ['unknown kind', packr.pack({ kind: 'greeting' }), 'malformed-frame', /kind/],
    ['a message before hello', packr.pack({ kind: 'ack', n: 1 }), 'malformed-frame', /expected hello/],
    ['another protocol', packr.pack({ ...hello, protocol: 99 }), 'protocol-unsupported', /expected protocol 1, got 99/],
    ['too large', Buffer.alloc(maxFrameBytes + 1), 'frame-too-large', new RegExp(`at most ${maxFrameBytes}`)],
  ];
  for (const [what, frame, code, words] of frames) {
    const before = await farm.position();
    const raw = await dial(farm.url, { token: a });
    raw.socket.send(frame);
    const refused = await raw.expect('refused');
    assert.equal(refused.code, code, what);
    assert.match(refused.message, words, what);
    await raw.closed;
    await expectUnchanged(farm, what, before);
  }
  // Far beyond what the socket takes: closed without more words.
  const huge = await dial(farm.url, { token: a });
  const before = await farm.position();
  huge.socket.send(Buffer.alloc(4 * maxFrameBytes));
  await huge.closed;
  await expectUnchanged(farm, 'far too large', before);

  // Agent a has a build; b reports it.
  const linkA = await dial(farm.url, { token: a });
  linkA.send({ ...hello, abilities: { ...hello.abilities, systems: [currentSystem()] } });
  await linkA.expect('welcome');
  const linkB = await dial(farm.url, { token: b });
  linkB.send({ ...hello, session: 'b-1', abilities: { ...hello.abilities, systems: ['none-such'] } });
  await linkB.expect('welcome');
  await farm.submit(['small']);
  const { body } = await linkA.expect('message');
  assert.equal(body.type, 'allocate');
  const build = await farm.buildOf('small');
  const key = { build, attempt: 1 };
  let position = await farm.position();
  const outputs = [
    { name: 'out', path: `${'1'.repeat(32)}-small`, narHash: `sha256:${'0'.repeat(52)}`, narSize: 120, references: [] },
  ];
  const reports = [
    { type: 'started', ...key },
    { type: 'failed', ...key, class: 'builder-failed', message: 'not mine' },
    { type: 'succeeded', ...key, outputs, durationMs: 1, logBytes: 0 },
    { type: 'released', ...key, reason: 'handed-back' },
    { type: 'failed', build, attempt: 7, class: 'builder-failed', message: 'no such attempt' },
    { type: 'failed', build: 'no-such-build', attempt: 1, class: 'builder-failed', message: 'no such build' },
  ] as const;
  for (const [index, report] of reports.entries()) {
    linkB.send({ kind: 'message', n: index + 1, body: report });
    // Refused for good is acknowledged: it would not get better by being sent again.
    assert.deepEqual(await linkB.expect('ack'), { kind: 'ack', n: index + 1 });
    await expectUnchanged(farm, `${report.type} of another's attempt`, position);
  }
  assert.match(farm.coordinator.said(), /not-your-attempt/);
  await expectRefused(farm, "upload for another's attempt", 'not-your-attempt', /was not given to b/, () =>
    farm.request('POST', '/v1/uploads', { token: b, body: { ...declarationOf(Buffer.alloc(120)), build, attempt: 1 } }),
  );

  // Agent a lies about its own.
  const [output] = Object.values((await farm.next('DerivationAdded')).data.outputs) as [string];
  const upload = (changes: object) =>
    farm.request('POST', '/v1/uploads', {
      token: a,
      body: { ...declarationOf(Buffer.alloc(120)), path: output, ...key, ...changes },
    });
  await expectRefused(farm, 'not an output', 'output-unverified', /is not an output of/, () =>
    upload({ path: `${'1'.repeat(32)}-small` }),
  );
  await expectRefused(farm, 'a reference to a stranger', 'wrong-references', /neither in the closure/, () =>
    upload({ references: [`${'1'.repeat(32)}-x`] }),
  );
  const selfish = await narOf(`see ${output}`);
  const begun = await upload({ ...declarationOf(selfish), path: output });
  await expectRefused(farm, 'a reference that is not declared', 'wrong-references', /not declared/, () =>
    farm.request('PATCH', `/v1/uploads/${begun.body.id}`, {
      token: a,
      raw: selfish,
      headers: { 'content-type': 'application/octet-stream', 'upload-offset': '0' },
    }),
  );

  // The attempt ends; what is said of it afterwards counts no more.
  linkA.send({ kind: 'ack', n: 1 });
  linkA.send({ kind: 'message', n: 1, body: { type: 'failed', ...key, class: 'rejected', message: 'cannot' } });
  await linkA.expect('ack');
  await farm.next('BuildAttemptFailed', isBuild(build));
  position = await farm.position();
  for (const [index, report] of [reports[0], reports[1], reports[3]].entries()) {
    linkA.send({ kind: 'message', n: index + 2, body: report });
    assert.deepEqual(await linkA.expect('ack'), { kind: 'ack', n: index + 2 });
    await expectUnchanged(farm, `${report.type} of an attempt long over`, position);
  }
  assert.match(farm.coordinator.said(), /stale-attempt/);
  linkA.socket.close();
  linkB.socket.close();
});

function currentSystem(): string {
  return `${({ x64: 'x86_64', arm64: 'aarch64' } as Record<string, string>)[process.arch] ?? process.arch}-${process.platform}`;
}
