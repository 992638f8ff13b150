import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { BuildOutcome, BuildRequest } from '../../../../agent/ports/builder.ts';
import { createNarVerifier } from '../../../../domain/store/nar-verifier.ts';
import { sha256 } from '../../../../domain/store/sha256.ts';
import { makeFixedOutputPath } from '../../../../domain/store/store-path.ts';
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

    function assertFailed(outcome: BuildOutcome, expected: string, message: RegExp): void {
      assert.ok(outcome.status === 'failed', `expected a failure, got ${outcome.status}`);
      assert.equal(outcome.class, expected, outcome.message);
      assert.match(outcome.message, message);
    }

    test('say which Nix it is', async () => {
      assert.match(await store.builder.describe(), /^nix 2\.\d+/);
    });

    test('succeed, with their log and their outputs', async () => {
      const phase = '@nix { "action": "setPhase", "phase": "buildPhase" }';
      const script = `echo one; echo '${phase}' >&2; printf two >&2; printf data > $out; echo $out > $dev`;
      const { outcome, log, outputs } = await build('success', script, {}, { outputNames: ['dev', 'out'] });
      assert.equal(outcome.status, 'built', JSON.stringify(outcome));
      assert.equal(log, `one\n${phase}\ntwo\n`);
      const [dev, out] = outputs as [string, string];
      assert.deepEqual(await store.builder.missing([out, item]), [item]);
      const info = (await store.builder.pathInfo(dev)) ?? assert.fail('not valid');
      assert.deepEqual(info.references, [out]);
      assert.match(info.deriver ?? '', /-success\.drv$/);
      const nar = await buffer(store.builder.dump(info, new AbortController().signal));
      assert.deepEqual(nar, fileNar(`${out}\n`));
      assert.equal(info.narSize, nar.length);
      const verifier = createNarVerifier({ maxSize: info.narSize });
      verifier.write(nar);
      assert.equal(verifier.end().narHash, info.narHash);
    });

    test('are built already the second time', async () => {
      assert.equal((await build('twice', 'echo x > $out')).outcome.status, 'built');
      const again = await build('twice', 'echo x > $out');
      assert.equal(again.outcome.status, 'built');
      assert.equal(again.log, '');
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
      await store.builder.addItem({ ...info, signatures: [] }, bytes, signal);
      assert.deepEqual(await store.builder.missing([out], signal), []);
      assert.equal(readFileSync(join(store.root, out), 'utf8'), 'x\n');
    });

    test('keep bytes that are not UTF-8', async () => {
      const { outcome, outputs } = await build(
        'bytes',
        'printf %s "$odd" > $out',
        {},
        {
          env: [
            ['odd', 'caf\u00e9\u0080'],
            ['out', shellDerivation('bytes', 'printf %s "$odd" > $out').derivation.outputs[0]?.path ?? ''],
          ],
        },
      );
      assert.equal(outcome.status, 'built', JSON.stringify(outcome));
      const info = (await store.builder.pathInfo(outputs[0] as string)) ?? assert.fail('not valid');
      const nar = await buffer(store.builder.dump(info, new AbortController().signal));
      assert.deepEqual(nar, fileNar(Buffer.from([99, 97, 102, 0xe9, 0x80])));
    });

    test('fail with their exit code', async () => {
      const { outcome, log } = await build('failure', 'echo oh no; exit 3');
      assertFailed(outcome, 'builder-failed', /exit code 3/);
      assert.equal(log, 'oh no\n');
    });

    test('end at their time limit', async () => {
      const { outcome } = await build('slow', 'while :; do echo x; read -t 1 y < /dev/zero; done', {
        timeoutSeconds: 1,
      });
      assertFailed(outcome, 'timed-out', /after 1 seconds/);
    });

    test('end when they are silent', async () => {
      const { outcome } = await build('silent', 'while :; do :; done', { maxSilentSeconds: 1 });
      assertFailed(outcome, 'silent-too-long', /after 1 second/);
    });

    test('end at their log limit', async () => {
      const { outcome, log } = await build('loud', 'while :; do echo 0123456789; done', { maxLogBytes: 20_000 });
      assertFailed(outcome, 'log-limit', /20000 bytes/);
      assert.ok(log.length <= 40_000);
    });

    test('say that an input is missing', async () => {
      const { outcome } = await build('orphan', 'echo > $out', {
        inputs: ['/nix/store/00000000000000000000000000000009-no'],
      });
      assertFailed(outcome, 'inputs-missing', /00000000000000000000000000000009-no/);
    });

    test('say that an output is missing', async () => {
      const { outcome } = await build('lazy', ':');
      assertFailed(outcome, 'output-missing', /failed to produce output/);
    });

    test('are checked against a fixed hash, and fail for good where they fail', async () => {
      const fixed = (name: string) => {
        const hash = sha256('right').toString('hex');
        const path = makeFixedOutputPath(name, '', 'sha256', hash, storeDir);
        return { outputs: [{ name: 'out', path, hashAlgo: 'sha256', hash }], env: [['out', path]] as const };
      };
      const wrong = await build('fixed', 'printf wrong > $out', {}, fixed('fixed'));
      assertFailed(wrong.outcome, 'hash-mismatch', /hash mismatch/);
      const failed = await build('fixed', 'exit 1', {}, fixed('fixed'));
      assertFailed(failed.outcome, 'builder-failed', /exit code 1/);
      const right = await build('fixed', 'printf right > $out', {}, fixed('fixed'));
      assert.equal(right.outcome.status, 'built', JSON.stringify(right.outcome));
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
      await assert.rejects(store.builder.addItem(facts, broken(), signal), /cut/);
      await assert.rejects(
        store.builder.addItem({ ...facts, narHash: `sha256:${'0'.repeat(52)}` }, pieces(7), signal),
        /hash mismatch/,
      );
      assert.deepEqual(await store.builder.missing([item]), [item]);
      await store.builder.addItem(facts, pieces(7), signal);
      assert.deepEqual(await store.builder.missing([item]), []);

      const { outcome, outputs } = await build('with-item', `read line < ${item}; echo "$line" > $out`, {
        inputs: [item],
      });
      // `read` finds no line feed and fails, with the line read.
      assert.equal(outcome.status, 'built', JSON.stringify(outcome));
      const info = (await store.builder.pathInfo(outputs[0] as string)) ?? assert.fail('not valid');
      assert.deepEqual(await buffer(store.builder.dump(info, signal)), fileNar('the contents of the item\n'));
    });

    test('leave no process when they are cancelled', async () => {
      const stop = new AbortController();
      const mark = `drover-test-${process.pid}-${process.hrtime.bigint()}`;
      const started = Promise.withResolvers<void>();
      const running = build('endless', `echo up; while :; do :; done; : ${mark}`, {
        signal: stop.signal,
        onLog: () => started.resolve(),
      });
      await started.promise;
      assert.ok(processesWith(mark).length > 0, 'the builder is there');
      stop.abort(new Error('canceled'));
      assert.deepEqual((await running).outcome, { status: 'canceled' });
      assert.deepEqual(processesWith(mark), []);
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

/** Processes that have this in their arguments. */
function processesWith(mark: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(mark) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}
