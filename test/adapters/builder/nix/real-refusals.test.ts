import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { failureOf } from '../../../../agent/attempt-failure.ts';
import type { BuildRequest } from '../../../../agent/ports/builder.ts';
import { defaultSandboxPaths } from '../../../../agent/sandbox-paths.ts';
import type { FailureClass } from '../../../../domain/build/failure-class.ts';
import { sha256 } from '../../../../domain/store/sha256.ts';
import { makeFixedOutputPath } from '../../../../domain/store/store-path.ts';
import { firstLine } from '../../../../projections/first-line.ts';
import { buildRequest, openTemporaryNixBuilder, shellDerivation, storeDir } from '../../../support/nix-store.ts';
import { nixVersions } from '../../../support/nix-versions.ts';

/** Programs for builders that need more than a shell. */
const sandboxPaths = [...defaultSandboxPaths, '/usr/bin'];

for (const nix of nixVersions)
  describe(`what ${nix.name} refuses`, { skip: nix.skip, concurrency: 2 }, () => {
    let store: Awaited<ReturnType<typeof openTemporaryNixBuilder>>;
    before(async () => {
      store = await openTemporaryNixBuilder({ sandboxPaths, program: nix.program });
    });
    after(() => store[Symbol.asyncDispose]());

    interface Case {
      readonly script?: string;
      /** Variables besides the outputs' names. */
      readonly env?: Readonly<Record<string, string>>;
      readonly change?: Parameters<typeof shellDerivation>[2];
      readonly limits?: Partial<BuildRequest>;
      readonly class: FailureClass;
      readonly says: RegExp;
      /** What a place has of it that shows one line: the reason, on whichever line Nix says it. */
      readonly line?: RegExp;
      readonly logged?: RegExp;
    }

    async function build(
      name: string,
      { script = 'echo > $out', env = {}, change, limits }: Omit<Case, 'class' | 'says' | 'line' | 'logged'>,
    ) {
      const run = `PATH=/usr/bin; export PATH; ${script}`;
      const plain = shellDerivation(name, run, change);
      const all = [...plain.derivation.env, ...Object.entries(env)].sort(([a], [b]) => (a < b ? -1 : 1));
      const made = { ...plain, derivation: { ...plain.derivation, env: all } };
      const request = buildRequest(made, limits);
      await using session = await store.builder.open(request.signal);
      return { outcome: await session.build(request), request };
    }

    function fixed(name: string, hashAlgo: string, method: '' | 'r:' = '', hash = 'ab'.repeat(32)) {
      const path = makeFixedOutputPath(name, method, 'sha256', hash, storeDir);
      return { outputs: [{ name: 'out', path, hashAlgo, hash }], env: [['out', path]] as const };
    }
    const stranger = '/nix/store/00000000000000000000000000000000-x';

    const cases: Readonly<Record<string, Case>> = {
      fifo: { script: 'mkdir $out; mkfifo $out/p', class: 'rejected', says: /unsupported type/ },
      'fifo-with-a-name': {
        script: 'mkdir $out; mkfifo "$out/x: No space left on device"',
        class: 'rejected',
        says: /unsupported type/,
      },
      'prints-what-a-machine-says': {
        script: 'echo "error: writing to file: No space left on device"; exit 3',
        class: 'builder-failed',
        says: /exit code 3.*> error: writing to file: No space left on device/s,
        line: /failed with exit code 3[.;]? …$/,
      },
      // As a program of coreutils at its end, but for longer. It cannot kill itself: it is the first process of its namespace.
      killed: {
        script: 'echo run; exec >&- 2>&-; sleep 60',
        class: 'agent-error',
        says: /signal 9 \(Killed\).*> run.*\(by Nix, which takes/s,
        line: /failed due to signal 9 \(Killed\)[.;]? …$/,
        logged: /^run\ndrover: the builder was killed and is run again \(1 of 4\)\nrun\n.* \(4 of 4\)\nrun\n$/s,
      },
      'writable-by-others': {
        script: 'echo > $out; chmod 666 $out',
        class: 'rejected',
        says: /suspicious ownership or permission/,
      },
      'refers-to-itself': {
        script: 'echo $out > $out',
        env: { allowedReferences: '' },
        class: 'rejected',
        says: /not allowed to refer/,
      },
      'odd-check': {
        script: 'echo $out > $out',
        env: { disallowedReferences: 'x' },
        class: 'rejected',
        says: /illegal reference specifier|not a valid output/,
      },
      cycle: {
        script: 'echo $dev > $out; echo $out > $dev',
        change: { outputNames: ['dev', 'out'] },
        class: 'rejected',
        says: /cycle detected/,
      },
      'references-of-others': {
        env: { exportReferencesGraph: `graph ${stranger}` },
        class: 'rejected',
        says: /not in the input closure/,
      },
      'references-odd': { env: { exportReferencesGraph: 'graph' }, class: 'rejected', says: /odd number of tokens/ },
      'references-elsewhere': {
        env: { exportReferencesGraph: `../g ${stranger}` },
        class: 'rejected',
        says: /invalid file name/,
      },
      'broken-json': { env: { __json: '{' }, class: 'rejected', says: /__json/ },
      'no-sandbox': {
        env: { __noChroot: '1' },
        class: 'rejected',
        says: /__noChroot.*\(its agents build in sandboxes only\)/s,
      },
      'feature-that-is-not-there': {
        env: { requiredSystemFeatures: 'sun' },
        class: 'agent-error',
        says: /sun.*\(the systems and features that the agent announces are not those of its Nix\)/s,
        line: /with features \{sun\} is required|^(required system or feature not available|missing system features) …$/,
      },
      'other-system': { change: { system: 'riscv64-linux' }, class: 'agent-error', says: /riscv64-linux/ },
      'text-hashed': {
        change: fixed('text-hashed', 'text:sha256'),
        class: 'rejected',
        says: /text:sha256|dynamic-derivations/,
      },
      'fixed-and-wrong': {
        script: 'echo real-content > $out',
        change: fixed('fixed-and-wrong', 'sha256'),
        class: 'hash-mismatch',
        says: /specified: sha256-q6ur.*got: +sha256-2HJEFmilTMdc6grzDHtsLJXwjoBvNwrYl9dsVbzMmKA=/s,
      },
      'fixed-and-a-folder': {
        script: 'mkdir $out',
        change: fixed('fixed-and-a-folder', 'sha256'),
        class: 'rejected',
        says: /non-executable regular file/,
      },
      'no-builder': {
        change: { builder: '/bin/not-there' },
        class: 'builder-failed',
        // biome-ignore lint/suspicious/noControlCharactersInRegex: Nix 2.8 sends it in binary
        says: /^[^\0\x01]*> error: executing '\/bin\/not-there': No such file or directory\n?$/,
      },
      'builtin-nobody-knows': {
        change: { builder: 'builtin:xyz' },
        class: 'builder-failed',
        says: /unsupported builtin builder 'xyz'/,
      },
      'too-large-an-environment': {
        env: { big: 'x'.repeat(200_000) },
        class: 'builder-failed',
        says: /executing '\/bin\/sh': Argument list too long/,
      },
      silent: { script: 'sleep 60', limits: { maxSilentSeconds: 1 }, class: 'silent-too-long', says: /after 1 second/ },
    };
    for (const [name, expected] of Object.entries(cases))
      test(`is judged by what the daemon says: ${name}`, async () => {
        const { outcome, request } = await build(name, expected);
        assert.ok(outcome.status === 'failed', outcome.status);
        assert.equal(outcome.class, expected.class, outcome.message);
        if (expected.logged) assert.match(request.log(), expected.logged);
        assert.match(outcome.message, expected.says);
        if (expected.line) assert.match(firstLine(outcome.message), expected.line);
      });

    test('a fixed output with its hash that refers to something, over which Nix 2.8 dies', async () => {
      const { request } = await build('referred', {});
      const referred = request.derivation.outputs[0]?.path as string;
      const hash = sha256(`${referred}\n`).toString('hex');
      const { outcome } = await build('fixed-and-referring', {
        script: `echo ${referred} > $out`,
        change: fixed('fixed-and-referring', 'sha256', '', hash),
        limits: { inputs: [referred] },
      });
      assert.ok(outcome.status === 'failed', outcome.status);
      assert.equal(outcome.class, 'rejected', outcome.message);
      assert.match(
        outcome.message,
        /references\.empty\(\).*\(a fixed output refers to store paths|not allowed to refer to other store paths/s,
      );
    });

    test('an output that is valid and gone from disk is the machine’s, and says what to do', async () => {
      const { request } = await build('gone', { script: 'echo data > $out' });
      const path = request.derivation.outputs[0]?.path as string;
      const info = (await store.builder.pathInfo(path)) ?? assert.fail('not valid');
      await rm(`${store.root}${path}`);
      const error = await buffer(store.builder.dump(info, request.signal)).catch((caught: unknown) => caught);
      const failure = failureOf(error, 'upload-failed');
      assert.equal(failure.class, 'agent-error', failure.message);
      assert.match(failure.message, /nix-store --verify/);
    });
  });
