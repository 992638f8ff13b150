import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { BuildRequest } from '../../../../agent/ports/builder.ts';
import { createNarVerifier } from '../../../../domain/store/nar-verifier.ts';
import { sha256 } from '../../../../domain/store/sha256.ts';
import { makeFixedOutputPath } from '../../../../domain/store/store-path.ts';
import { assertFailed, builderContract, processesWith } from '../../../contract/builder.ts';
import { fileNar } from '../../../support/fake-builder.ts';
import { buildRequest, noNix, openTemporaryNixBuilder, shellDerivation, storeDir } from '../../../support/nix-store.ts';
import { nixVersions } from '../../../support/nix-versions.ts';

const item = '/nix/store/00000000000000000000000000000001-item';

for (const nix of nixVersions)
  describe(`builds by ${nix.name}`, { skip: nix.skip, concurrency: 2 }, () => {
    let store: Awaited<ReturnType<typeof openTemporaryNixBuilder>>;
    before(async () => {
      store = await openTemporaryNixBuilder({ features: ['moon'], program: nix.program });
    });
    after(() => store[Symbol.asyncDispose]());

    async function build(
      name: string,
      script: string,
      more: Partial<BuildRequest> = {},
      change: Parameters<typeof shellDerivation>[2] = {},
    ) {
      const made = shellDerivation(name, script, change);
      const request = buildRequest(made, more);
      await using session = await store.builder.open(request.signal);
      await session.hold(made.derivation.outputs.map(({ path }) => path));
      const outcome = await session.build(request);
      return { outcome, log: request.log(), outputs: made.derivation.outputs.map(({ path }) => path) };
    }

    builderContract(() => ({
      builder: store.builder,
      build(name, script, { outputNames = ['out'], env = [], fixed, ...more } = {}) {
        const { outputs } = shellDerivation(name, script, { outputNames: [...outputNames] }).derivation;
        const hash = sha256(fixed ?? '').toString('hex');
        const path = makeFixedOutputPath(name, '', 'sha256', hash, storeDir);
        const made = fixed === undefined ? outputs : [{ name: 'out', path, hashAlgo: 'sha256', hash }];
        const all = [...made.map((output) => [output.name, output.path] as const), ...env];
        return build(name, script, more, { outputs: made, env: all.sort() });
      },
    }));

    test('say which Nix it is', async () => {
      assert.match(await store.builder.describe(), /^nix 2\.\d+/);
    });

    test('bring back an output that is valid and gone from the disk', async () => {
      const script = 'echo x > $out; echo y > $dev';
      const names = { outputNames: ['dev', 'out'] };
      const { outputs } = await build('gone', script, {}, names);
      const [dev, out] = outputs as [string, string];
      await rm(join(store.root, out));
      assert.deepEqual(await store.builder.missing([dev, out]), [out]);
      const again = await build('gone', script, {}, names);
      assert.equal(again.outcome.status, 'built', JSON.stringify(again.outcome));
      assert.deepEqual(await store.builder.missing([dev, out]), []);
      assert.equal(readFileSync(join(store.root, out), 'utf8'), 'x\n');
      const info = (await store.builder.pathInfo(out)) ?? assert.fail('not valid');
      assert.deepEqual(await buffer(store.builder.dump(info, new AbortController().signal)), fileNar('x\n'));
    });

    test('take an input again that is valid and gone from the disk', async () => {
      const signal = new AbortController().signal;
      const { outputs } = await build('input', 'echo x > $out');
      const [out] = outputs as [string];
      const info = (await store.builder.pathInfo(out)) ?? assert.fail('not valid');
      const nar = await buffer(store.builder.dump(info, signal));
      await rm(join(store.root, out));
      assert.deepEqual(await store.builder.missing([out], signal), [out]);
      const bytes = (async function* () {
        yield nar;
      })();
      await store.builder.intake.addItem({ ...info, signatures: [] }, bytes, signal);
      assert.deepEqual(await store.builder.missing([out], signal), []);
      assert.equal(readFileSync(join(store.root, out), 'utf8'), 'x\n');
    });

    test('see nothing of our environment but what they may', async () => {
      process.env.DROVER_TEST_SECRET = 'hunter2';
      process.env.DROVER_TEST_PROXY = 'http://proxy.example';
      await using own = await openTemporaryNixBuilder({
        program: nix.program,
        passEnvironment: ['DROVER_TEST_PROXY'],
      });
      const script = 'echo "$DROVER_TEST_SECRET|$DROVER_TEST_PROXY"; printf right > $out';
      const hash = sha256('right').toString('hex');
      const path = makeFixedOutputPath('nosy', '', 'sha256', hash, storeDir);
      const made = shellDerivation('nosy', script, {
        outputs: [{ name: 'out', path, hashAlgo: 'sha256', hash }],
        env: [
          ['impureEnvVars', 'DROVER_TEST_SECRET DROVER_TEST_PROXY'],
          ['out', path],
        ],
      });
      const request = buildRequest(made);
      await using session = await own.builder.open(request.signal);
      assert.equal((await session.build(request)).status, 'built');
      assert.equal(request.log(), '|http://proxy.example\n');
      const { details } = await own.builder.circumstances();
      assert.match(details.environment ?? '', /^PATH .*DROVER_TEST_PROXY$/);
    });

    test('share a daemon while all goes well, with a log each, and keep nothing from the garbage collector', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'drover-daemons-'));
      const [program, starts] = [join(folder, 'daemon'), join(folder, 'starts')];
      await writeFile(program, `#!/bin/sh\necho >> ${starts}\nexec ${nix.program} "$@"\n`, { mode: 0o700 });
      await using own = await openTemporaryNixBuilder({ program });
      const daemons = () => readFileSync(starts, 'utf8').length;
      const one = async (name: string, script: string, stop?: 'meanwhile' | 'afterwards') => {
        const before = daemons();
        const made = shellDerivation(name, script);
        const control = new AbortController();
        const abort = () => control.abort(new Error('stopped'));
        const { signal } = control;
        const request = buildRequest(made, { signal, ...(stop === 'meanwhile' && { onLog: abort }) });
        await using session = await own.builder.open(signal);
        await session.hold(made.derivation.outputs.map(({ path }) => path));
        const { status } = await session.build(request);
        if (stop === 'afterwards') abort();
        return { status, log: request.log(), started: daemons() - before, out: made.derivation.outputs[0]?.path ?? '' };
      };
      await own.builder.describe();
      const first = await one('first', 'echo of the first; echo > $out');
      assert.deepEqual({ ...first, out: '' }, { status: 'built', log: 'of the first\n', started: 1, out: '' });
      const second = await one('second', 'echo of the second; echo > $out');
      assert.deepEqual({ ...second, out: '' }, { status: 'built', log: 'of the second\n', started: 0, out: '' });
      assert.deepEqual([(await one('bad', 'exit 1')).started, (await one('after-bad', 'echo > $out')).started], [0, 1]);
      const canceled = await one('canceled', 'echo here; read -r never < /dev/zero', 'meanwhile');
      assert.deepEqual([canceled.status, canceled.started], ['canceled', 0]);
      const late = await one('late', 'echo > $out', 'afterwards');
      assert.deepEqual([late.status, late.started], ['built', 1]);
      assert.equal((await one('last', 'echo > $out')).started, 1);
      const outputs = [first.out, second.out];
      assert.deepEqual(await own.builder.missing(outputs), []);
      await own.builder.collectGarbage(2 ** 40);
      assert.deepEqual(await own.builder.missing(outputs), outputs);
      await rm(folder, { recursive: true });
    });

    test('need the features that they require', async () => {
      const needing = (feature: string) => (name: string) =>
        build(
          name,
          'echo > $out',
          {},
          {
            env: [
              ['out', shellDerivation(name, 'echo > $out').derivation.outputs[0]?.path ?? ''],
              ['requiredSystemFeatures', feature],
            ],
          },
        );
      assert.equal((await needing('moon')('with-moon')).outcome.status, 'built');
      assertFailed((await needing('sun')('with-sun')).outcome, 'agent-error', /sun/);
    });

    test('use an item that was added', async () => {
      const nar = fileNar('the contents of the item');
      const verifier = createNarVerifier({ maxSize: nar.length });
      verifier.write(nar);
      const facts = { path: item, ...verifier.end(), references: [], signatures: [] };
      const { signal } = new AbortController();
      const pieces = async function* (cut: number) {
        for (let at = 0; at < nar.length; at += cut) yield nar.subarray(at, at + cut);
      };
      // One that breaks off leaves nothing behind, and the next one is not disturbed.
      const broken = async function* () {
        yield nar.subarray(0, 16);
        throw new Error('cut');
      };
      await assert.rejects(store.builder.intake.addItem(facts, broken(), signal), /cut/);
      await assert.rejects(
        store.builder.intake.addItem({ ...facts, narHash: `sha256:${'0'.repeat(52)}` }, pieces(7), signal),
        /hash mismatch/,
      );
      assert.deepEqual(await store.builder.missing([item]), [item]);
      await store.builder.intake.addItem(facts, pieces(7), signal);
      assert.deepEqual(await store.builder.missing([item]), []);

      const { outcome, outputs } = await build('with-item', `read line < ${item}; echo "$line" > $out`, {
        inputs: [item],
      });
      // `read` finds no line feed and fails, with the line read.
      assert.equal(outcome.status, 'built', JSON.stringify(outcome));
      const info = (await store.builder.pathInfo(outputs[0] as string)) ?? assert.fail('not valid');
      assert.deepEqual(await buffer(store.builder.dump(info, signal)), fileNar('the contents of the item\n'));
    });

    test('leave no process when their daemon does not stop by itself', async () => {
      // A daemon that does not see its input close: it is stopped, as by a hanging disk.
      await using stubborn = await openTemporaryNixBuilder({ killAfterMs: 100, program: nix.program });
      const stop = new AbortController();
      const mark = `drover-test-${process.pid}-${process.hrtime.bigint()}`;
      const made = shellDerivation('stubborn', `echo up; while :; do :; done; : ${mark}`);
      const started = Promise.withResolvers<void>();
      await using session = await stubborn.builder.open(stop.signal);
      const running = session.build(buildRequest(made, { signal: stop.signal, onLog: () => started.resolve() }));
      await started.promise;
      const daemon = parentOf(processesWith(mark)[0] as number);
      process.kill(daemon, 'SIGSTOP');
      stop.abort();
      assert.deepEqual(await running, { status: 'canceled' });
      assert.deepEqual(processesWith(mark), []);
    });
  });

describe('a daemon that cannot be reached', () => {
  test('is reported, with what it said', { skip: noNix }, async () => {
    await using store = await openTemporaryNixBuilder({
      extraConfig: { 'sandbox-paths': '/x' },
      program: 'nix-daemon-of-nowhere',
    });
    await assert.rejects(store.builder.describe(), { code: 'unavailable' });
  });

  test('is reported for a socket', async () => {
    await using store = await openTemporaryNixBuilder({ store: 'unix:///nowhere/socket' });
    await assert.rejects(store.builder.describe(), { code: 'unavailable' });
  });

  test('is reported when it is none', async () => {
    await using store = await openTemporaryNixBuilder();
    const path = join(store.root, 'socket');
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    server.listen(path);
    await once(server, 'listening');
    await using other = await openTemporaryNixBuilder({ store: `unix://${path}` });
    await assert.rejects(other.builder.describe(), { code: 'protocol' });
    server.close();
  });

  test('is reported when it dies with a complaint', async () => {
    await using store = await openTemporaryNixBuilder();
    const program = join(store.root, 'daemon');
    await writeFile(program, '#!/bin/sh\necho "disk on fire" >&2\nexit 1\n', { mode: 0o700 });
    await using other = await openTemporaryNixBuilder({ program });
    await assert.rejects(other.builder.describe(), /disk on fire/);
  });
});

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}
