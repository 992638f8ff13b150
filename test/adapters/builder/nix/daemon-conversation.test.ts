import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { openConnection } from '../../../../adapters/builder/daemon/connection.ts';
import { createConnectionPool } from '../../../../adapters/builder/daemon/connection-pool.ts';
import { addTempRoot } from '../../../../adapters/builder/daemon/operations.ts';
import { createWireReader } from '../../../../adapters/builder/daemon/wire-reader.ts';
import { createWireWriter, type WireWriter } from '../../../../adapters/builder/daemon/wire-writer.ts';
import { outcomeOf } from '../../../../adapters/builder/nix/build-result.ts';
import { nixDialect } from '../../../../adapters/builder/nix/dialect.ts';
import { protocolVersion } from '../../../../adapters/builder/nix/handshake.ts';
import { buildDerivation, narFromPath, queryPathInfo } from '../../../../adapters/builder/nix/operations.ts';
import { parseStoreUri } from '../../../../adapters/builder/nix/store-uri.ts';
import { buildRequest, shellDerivation } from '../../../support/nix-store.ts';

const last = 0x616c7473;
const error = 0x63787470;
const result = 0x52534c54;
const next = 0x6f6c6d67;
const startActivity = 0x53545254;
const stopActivity = 0x53544f50;
const path = '/nix/store/00000000000000000000000000000000-x';

/** A daemon that greets in this version of the protocol and then says what it is told to. */
function daemonOf(minor: number, then: (say: WireWriter) => WireWriter) {
  const input = new PassThrough();
  const output = new PassThrough();
  let closed = false;
  const say = createWireWriter().u64(0x6478696f).u64(protocolVersion(1, minor));
  if (minor >= 38) say.texts(['some-feature']);
  if (minor >= 33) say.text(`2.${minor}`);
  if (minor >= 35) say.u64(1);
  say.u64(last);
  input.write(then(say).take());
  const transport = {
    input,
    output,
    alive: true,
    complaint: () => '',
    async close() {
      closed = true;
      input.destroy();
      output.destroy();
    },
  };
  return {
    transport,
    heard: createWireReader(output),
    get closed() {
      return closed;
    },
  };
}

/** A build result as the version has it. */
function sayResult(say: WireWriter, minor: number, status: number, message: string): WireWriter {
  say.u64(last).u64(status).text(message).u64(1).u64(0).u64(10).u64(12);
  if (minor >= 37) say.u64(1).u64(5).u64(0);
  return say.u64(1).text('sha256:00!out').text('{}');
}

describe('a conversation with a daemon', () => {
  for (const minor of [32, 34, 35, 37, 38, 40]) {
    test(`of protocol 1.${minor}`, async () => {
      const daemon = daemonOf(minor, (say) =>
        sayResult(
          say
            .u64(next)
            .text('chatter')
            .u64(startActivity)
            .u64(2n ** 63n)
            .u64(3)
            .u64(105)
            .text('building')
            .u64(2)
            .u64(1)
            .text('field')
            .u64(0)
            .u64(7)
            .u64(0)
            .u64(result)
            .u64(2n ** 63n)
            .u64(101)
            .u64(1)
            .u64(1)
            .text('a line')
            .u64(result)
            .u64(2n ** 63n)
            .u64(105)
            .u64(1)
            .u64(0)
            .u64(3)
            .u64(stopActivity)
            .u64(2n ** 63n),
          Math.min(minor, 38),
          3,
          'it failed',
        ),
      );
      const connection = await openConnection(daemon.transport, nixDialect);
      assert.equal(connection.greeting.protocol, protocolVersion(1, Math.min(minor, 38)));
      assert.equal(connection.greeting.trusted, minor >= 35 ? true : undefined);
      const request = buildRequest(shellDerivation('x', 'true'));
      const answer = await buildDerivation(connection, request);
      assert.deepEqual(answer, { status: 3, message: 'it failed', startTime: 10, stopTime: 12 });
      assert.equal(request.log(), 'a line\n');
      assert.ok(connection.usable);

      assert.deepEqual([await daemon.heard.u64(), await daemon.heard.u64()], [0x6e697863, protocolVersion(1, 38)]);
      if (minor >= 38) assert.deepEqual(await daemon.heard.texts(), []);
      assert.deepEqual([await daemon.heard.u64(), await daemon.heard.u64()], [0, 0]);
      assert.equal(await daemon.heard.u64(), 36);
      assert.equal(await daemon.heard.text(), request.derivationPath);
    });
  }

  test('sends a derivation byte for byte', async () => {
    const daemon = daemonOf(34, (say) => sayResult(say, 34, 0, ''));
    const connection = await openConnection(daemon.transport, nixDialect);
    const made = shellDerivation('x', 'true', { env: [['key', 'caf\u00e9 \u0080\u00ff']], args: ['\u00fc'] });
    await buildDerivation(connection, buildRequest(made, { inputs: ['/nix/store/b', '/nix/store/a'] }));
    for (let index = 0; index < 5; index++) await daemon.heard.u64();
    const { heard } = daemon;
    const [output] = made.derivation.outputs;
    assert.deepEqual([await heard.text(), await heard.u64()], [made.derivationPath, 1]);
    assert.deepEqual(
      [await heard.text(), await heard.text(), await heard.text(), await heard.text()],
      ['out', output?.path, '', ''],
    );
    assert.deepEqual(await heard.texts(), ['/nix/store/a', '/nix/store/b']);
    assert.deepEqual([await heard.text(), await heard.text()], ['x86_64-linux', '/bin/sh']);
    assert.deepEqual([await heard.texts(), await heard.u64()], [['\u00fc'], 1]);
    assert.deepEqual([await heard.text(), await heard.text(), await heard.u64()], ['key', 'caf\u00e9 \u0080\u00ff', 0]);
  });

  test('goes on after a refusal', async () => {
    const daemon = daemonOf(34, (say) =>
      say
        .u64(error)
        .text('Error')
        .u64(0)
        .text('Error')
        .text('\u001b[31mno such thing\u001b[0m')
        .u64(0)
        .u64(1)
        .u64(0)
        .text('trace')
        .u64(last)
        .u64(0),
    );
    const connection = await openConnection(daemon.transport, nixDialect);
    await assert.rejects(queryPathInfo(connection, path), { code: 'refused', message: 'no such thing' });
    assert.equal(await queryPathInfo(connection, path), undefined);
  });

  test('is never used again after anything unexpected', async () => {
    const daemon = daemonOf(34, (say) => say.u64(0x1234));
    const connection = await openConnection(daemon.transport, nixDialect);
    await assert.rejects(queryPathInfo(connection, path), { code: 'protocol' });
    assert.equal(connection.usable, false);
    assert.ok(daemon.closed);
    await assert.rejects(addTempRoot(connection, path), /idle connection/);
  });

  test('breaks when a question is aborted', async () => {
    const daemon = daemonOf(34, (say) => say);
    const connection = await openConnection(daemon.transport, nixDialect);
    const stop = new AbortController();
    const asked = queryPathInfo(connection, path, stop.signal);
    stop.abort(new Error('enough'));
    await assert.rejects(asked, /enough/);
    assert.ok(daemon.closed);
  });

  test('breaks when a NAR is not read to its end, or is another than announced', async () => {
    const info = { path, narHash: `sha256:${'0'.repeat(52)}`, narSize: 16, references: [] };
    const half = daemonOf(34, (say) => say.u64(last).text('12345678'));
    const connection = await openConnection(half.transport, nixDialect);
    for await (const chunk of narFromPath(connection, info, new AbortController().signal)) {
      assert.ok(chunk.length > 0);
      break;
    }
    assert.ok(half.closed);

    const other = daemonOf(34, (say) => say.u64(last).text('12345678'));
    const reading = narFromPath(await openConnection(other.transport, nixDialect), info, new AbortController().signal);
    await assert.rejects(buffer(reading), /expected a NAR with/);
    assert.ok(other.closed);
  });

  for (const [what, bytes] of [
    ['something that is no daemon', createWireWriter().u64(1).take()],
    ['a daemon that is too old', createWireWriter().u64(0x6478696f).u64(protocolVersion(1, 20)).take()],
    ['a daemon that closes at once', Buffer.alloc(0)],
  ] as const) {
    test(`is not begun with ${what}`, async () => {
      const input = new PassThrough();
      input.end(bytes);
      let closed = false;
      const close = async () => {
        closed = true;
      };
      const complaint = () => 'it said why';
      const opened = openConnection({ input, output: new PassThrough(), alive: true, complaint, close }, nixDialect);
      await assert.rejects(opened, { name: 'BuilderError' });
      assert.ok(closed);
    });
  }
});

describe('the pool of connections', () => {
  test('caps them, reuses them, and drops one that broke', async () => {
    let opened = 0;
    const daemons: ReturnType<typeof daemonOf>[] = [];
    await using pool = createConnectionPool(
      async () => {
        opened++;
        const daemon = daemonOf(34, (say) => (opened === 1 ? say.u64(last).u64(0).u64(0x1234) : say.u64(last).u64(0)));
        daemons.push(daemon);
        return openConnection(daemon.transport, nixDialect);
      },
      { size: 1 },
    );
    const lease = await pool.take();
    let second = false;
    const waiting = pool.take().then((taken) => {
      second = true;
      return taken;
    });
    await queryPathInfo(lease.connection, path);
    assert.equal(second, false, 'one at a time');
    await lease[Symbol.asyncDispose]();
    const next = await waiting;
    assert.equal(next.connection, lease.connection);
    await assert.rejects(queryPathInfo(next.connection, path), { code: 'protocol' });
    await next[Symbol.asyncDispose]();
    assert.equal(await pool.use((connection) => queryPathInfo(connection, path)), undefined);
    assert.equal(opened, 2);
    assert.ok(daemons[0]?.closed);
  });

  test('retires one that was used often', async () => {
    let opened = 0;
    await using pool = createConnectionPool(
      async () => {
        opened++;
        const { transport } = daemonOf(34, (say) => say.u64(last).u64(0).u64(last).u64(0));
        return openConnection(transport, nixDialect);
      },
      { size: 1, maxUses: 2 },
    );
    for (let index = 0; index < 4; index++) await pool.use((connection) => queryPathInfo(connection, path));
    assert.equal(opened, 2);
  });
});

test('a result becomes an outcome with all lines of its message', () => {
  const message =
    "\u001b[0mbuilder for '\u001b[35;1m/x.drv\u001b[0m' failed with exit code 3;\nlast 1 log lines:\n> No space left on device\nFor full logs, run '\u001b[1mnix log /x.drv\u001b[0m'.";
  assert.deepEqual(outcomeOf({ status: 3, message, startTime: 0, stopTime: 0 }, 1, 60), {
    status: 'failed',
    class: 'builder-failed',
    message: "builder for '/x.drv' failed with exit code 3;\nlast 1 log lines:\n> No space left on device",
  });
  assert.deepEqual(outcomeOf({ status: 2, message: '', startTime: 0, stopTime: 0 }, 7, 60), {
    status: 'built',
    durationMs: 7,
  });
});

test('silence is told from a time that is up, where the daemon tells no more than a number', () => {
  const result = { status: 8, message: 'timed out after 3 seconds', startTime: 0, stopTime: 0 };
  const classOf = (elapsedMs: number, timeoutSeconds: number) => {
    const outcome = outcomeOf(result, elapsedMs, timeoutSeconds);
    return outcome.status === 'failed' && outcome.class;
  };
  assert.equal(classOf(3100, 3), 'timed-out');
  assert.equal(classOf(3100, 60), 'silent-too-long');
});

test('stores are named as for Nix', () => {
  const system = { kind: 'socket', path: '/nix/var/nix/daemon-socket/socket' };
  assert.deepEqual(parseStoreUri('auto'), system);
  assert.deepEqual(parseStoreUri('daemon'), system);
  assert.deepEqual(parseStoreUri('unix:///run/x%20y'), { kind: 'socket', path: '/run/x y' });
  assert.deepEqual(parseStoreUri('local?root=/tmp/a%20b'), { kind: 'chroot', root: '/tmp/a b' });
  for (const wrong of ['', 'local', 'local?root=relative', 'local?root=/x&real=/y', 'ssh://host', 'unix://relative']) {
    assert.throws(() => parseStoreUri(wrong), /^RangeError: expected/);
  }
});
