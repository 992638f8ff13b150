import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseDerivation } from '../../../domain/store/derivation.ts';
import { graphSize, loadGraphClosure, rootOf } from '../../support/graph-closure.ts';
import type { NamedDerivation } from '../../support/guix-graph.ts';
import { type FakeCoordinator, fakeCoordinator, type Route } from '../support/fake-coordinator.ts';
import { run } from '../support/run-cli.ts';

const storeDir = '/nix/store';
const hasNix = spawnSync('nix-instantiate', ['--version']).status === 0;
const accepted = { submission: 's1', derivations: 0, builds: 3, available: 1, joined: [] };

interface Held {
  readonly derivations?: Set<string>;
  readonly missingSources?: readonly string[];
  readonly more?: Readonly<Record<string, Route>>;
}

/** A coordinator that holds some derivations and keeps what it is sent. */
function coordinator({ derivations = new Set(), missingSources = [], more = {} }: Held): Promise<FakeCoordinator> {
  return fakeCoordinator({
    'GET /nix-cache-info': () => ({ text: `StoreDir: ${storeDir}\nWantMassQuery: 1\n` }),
    'POST /v1/derivations/missing': (request) => {
      const { paths } = request.json<{ paths: string[] }>();
      return { json: { missing: paths.filter((path) => !derivations.has(path)).reverse() } };
    },
    'POST /v1/derivations': (request) => {
      for (const line of request.body.toString('utf8').trimEnd().split('\n')) {
        const { path, text } = JSON.parse(line) as { path: string; text: string };
        const derivation = parseDerivation(Buffer.from(text, 'base64'), { storeDir });
        for (const input of derivation.inputDerivations) {
          assert.ok(
            derivations.has(input.path.slice(storeDir.length + 1)),
            `${input.path} was not sent before ${path}`,
          );
        }
        assert.ok(!derivations.has(path), `${path} was sent although it is held`);
        derivations.add(path);
      }
      return { json: { received: 1, added: 1 } };
    },
    'POST /v1/sources/missing': () => ({ json: { missing: missingSources } }),
    'POST /v1/submissions': () => ({ status: 201, json: accepted }),
    ...more,
  });
}

describe('drover submit', () => {
  let folder: string;
  let closure: readonly NamedDerivation[];
  let root: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-submit-test-'));
    closure = await loadGraphClosure();
    for (const { name, bytes } of closure) await writeFile(join(folder, name), bytes);
    root = rootOf(closure);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('names a derivation that the coordinator would not take, with size and setting, before anything is sent', async () => {
    const size = closure.find(({ name }) => name === root)?.bytes.length ?? 0;
    const held = new Set<string>();
    const limits = { maxDerivationBytes: size - 1, maxCommitBytes: 1e6, maxBodyBytes: 1e9 };
    const more: Record<string, Route> = { 'GET /v1/limits': () => ({ json: limits }) };
    await using fake = await coordinator({ derivations: held, more });
    const args = ['submit', '--url', fake.url, '--token', 'tok', '--derivations', folder, root];
    const { code, err } = await run(args);
    assert.equal(code, 1);
    assert.match(
      err,
      new RegExp(
        `-[^ ]+\\.drv: expected a derivation of at most ${size - 1} bytes \\(setting limits\\.max-derivation-bytes\\), got`,
      ),
    );
    assert.equal(held.size, 0);
    // What is held already was taken under other limits.
    for (const { name, bytes } of closure) if (bytes.length >= size && name !== root) held.add(name);
    Object.assign(limits, { maxDerivationBytes: size });
    assert.equal((await run(args)).code, 0);
  });

  it('sends the whole closure, inputs first and compressed, then submits', async () => {
    const held = new Set<string>();
    await using fake = await coordinator({ derivations: held });
    const { code, out, err } = await run([
      'submit',
      '--url',
      fake.url,
      '--token',
      'tok',
      '--derivations',
      folder,
      root,
      '--json',
    ]);
    assert.equal(code, 0, err);
    assert.equal(held.size, graphSize);
    const { uploadedDerivations, submission } = JSON.parse(out);
    assert.deepEqual({ uploadedDerivations, submission }, { uploadedDerivations: graphSize, submission: 's1' });
    const sent = fake.seen.find(({ path }) => path === '/v1/derivations');
    assert.equal(sent?.headers['content-encoding'], 'zstd');
    assert.equal(sent?.headers['content-type'], 'application/x-ndjson');
    assert.ok(fake.seen.every(({ headers }) => headers.authorization === 'Bearer tok'));
  });

  it('sends only what the coordinator lacks', async () => {
    const held = new Set(closure.map(({ name }) => name).filter((name) => name !== root));
    await using fake = await coordinator({ derivations: held });
    const { code, out, err } = await run(['submit', '--url', fake.url, '--derivations', folder, root, '--json']);
    assert.equal(code, 0, err);
    assert.equal(JSON.parse(out).uploadedDerivations, 1);
  });

  it('reads nothing where the root is held', async () => {
    await using fake = await coordinator({ derivations: new Set([root]) });
    const { code, err } = await run([
      'submit',
      '--url',
      fake.url,
      '--derivations',
      join(folder, 'nowhere'),
      root,
      '--json',
    ]);
    assert.equal(code, 0, err);
    assert.ok(!fake.seen.some(({ path }) => path === '/v1/derivations'));
  });

  it('passes on options, and a key that makes a second try safe', async () => {
    let tries = 0;
    await using fake = await coordinator({
      derivations: new Set([root]),
      more: {
        'POST /v1/submissions': (_request, response) => {
          tries++;
          if (tries > 1) return { status: 201, json: accepted };
          response.destroy();
          return undefined;
        },
      },
    });
    const flags = [
      '--priority',
      '7',
      '--tag',
      'branch=main',
      '--tag',
      'ci',
      '--no-inputs',
      '--force',
      '--max-attempts',
      '2',
      '--timeout',
      '60',
      '--max-silent',
      '30',
      '--defer-until',
      '2030-03-17T17:46:40Z',
    ];
    const { code, out, err } = await run(['submit', '--url', fake.url, '--derivations', folder, ...flags, '-'], {
      stdin: `${root}\n${root}\n`,
      environment: { TRACEPARENT: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
    });
    assert.equal(code, 0, err);
    assert.equal(out, '');
    assert.match(err, /submission s1: 3 builds, 1 derivation available already/);
    const submissions = fake.seen.filter(({ path }) => path === '/v1/submissions');
    assert.equal(submissions.length, 2);
    assert.equal(submissions[0]?.headers['idempotency-key'], submissions[1]?.headers['idempotency-key']);
    for (const { headers } of submissions) assert.match(String(headers.traceparent), /^00-4bf92f35/);
    assert.deepEqual(submissions[1]?.json(), {
      roots: [root],
      options: {
        priority: 7,
        maxAttempts: 2,
        timeoutSeconds: 60,
        maxSilentSeconds: 30,
        deferUntil: 1_900_000_000_000,
        tags: { branch: 'main', ci: '' },
      },
      inputs: false,
      force: true,
    });
  });

  it('says by flag what the coordinator does not take of its wishes', async () => {
    for (const [field, said, flags] of [
      ['options.deferUntil', '--defer-until', ['--defer-until', '9999d']],
      ['root.keepSeconds', '--keep', ['--root', 'a', '--keep', '1s']],
      ['body.root.keepSeconds', '--keep', ['--root', 'a', '--keep', '1s']],
    ] as const) {
      const problem = { code: 'invalid-request', title: 'The form', detail: `${field}: expected less, got more` };
      const more: Record<string, Route> = { 'POST /v1/submissions': () => ({ status: 400, json: problem }) };
      await using fake = await coordinator({ derivations: new Set([root]), more });
      const { code, err } = await run(['submit', '--url', fake.url, '--derivations', folder, ...flags, root]);
      assert.equal(code, 2);
      assert.match(err, new RegExp(`^drover: ${said}: expected less, got more \\(`, 'm'));
    }
  });

  it('names an input that neither side has', async () => {
    const partial = await mkdtemp(join(tmpdir(), 'drover-partial-'));
    try {
      for (const { name, bytes } of closure)
        if (!name.includes('-layer-5-1')) await writeFile(join(partial, name), bytes);
      await using fake = await coordinator({});
      const { code, err } = await run(['submit', '--url', fake.url, '--derivations', partial, root]);
      assert.equal(code, 1);
      assert.match(
        err,
        /\.drv needs \S+-layer-5-1\.drv, which is neither here nor at the coordinator \(input-missing\)/,
      );
      assert.ok(!fake.seen.some(({ path }) => path === '/v1/submissions'));
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  });

  it('uploads sources that are here, goes on where a cut upload was, and says which are not here', async () => {
    const here = `${'1'.repeat(32)}-here.patch`;
    const gone = `${'2'.repeat(32)}-gone.patch`;
    const storeRoot = await mkdtemp(join(tmpdir(), 'drover-root-'));
    try {
      await mkdir(join(storeRoot, storeDir), { recursive: true });
      await writeFile(join(storeRoot, storeDir, here), `see ${storeDir}/${gone}\n`.repeat(1000));
      let size = 0;
      let declared: { path: string; references: string[]; fileSize: number; narSize: number } | undefined;
      await using fake = await coordinator({
        derivations: new Set([root]),
        missingSources: [here, gone],
        more: {
          'POST /v1/uploads': (request) => {
            declared = request.json();
            return {
              status: 201,
              json: { id: 'u1', owner: 't', offset: size, fileSize: declared?.fileSize, finished: false },
            };
          },
          'PATCH /v1/uploads/u1': (request, response) => {
            assert.equal(request.headers['upload-offset'], String(size));
            // The first part gets only half way.
            const part = size === 0 ? request.body.subarray(0, request.body.length >> 1) : request.body;
            const first = size === 0;
            size += part.length;
            if (!first) return { json: { id: 'u1', owner: 't', offset: size, fileSize: size, finished: true } };
            response.destroy();
            return undefined;
          },
        },
      });
      const { code, err } = await run([
        'submit',
        '--url',
        fake.url,
        '--derivations',
        folder,
        '--store-root',
        storeRoot,
        root,
      ]);
      assert.equal(code, 0, err);
      assert.equal(declared?.path, here);
      assert.deepEqual(declared?.references, [gone]);
      assert.equal(size, declared?.fileSize);
      assert.match(err, /sent 1 source\n/);
      assert.match(err, new RegExp(`not on this machine, builds that need them wait: source ${gone}`));
    } finally {
      await rm(storeRoot, { recursive: true, force: true });
    }
  });

  it('names the folder for temporary files where it cannot be used, and what to do, without a stack', async (context) => {
    const here = `${'1'.repeat(32)}-here.patch`;
    const storeRoot = await mkdtemp(join(tmpdir(), 'drover-root-'));
    context.after(() => rm(storeRoot, { recursive: true, force: true }));
    await mkdir(join(storeRoot, storeDir), { recursive: true });
    await writeFile(join(storeRoot, storeDir, here), 'source');
    await using fake = await coordinator({ derivations: new Set([root]), missingSources: [here] });
    const before = process.env.TMPDIR;
    context.after(() => {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    });
    const gone = join(storeRoot, 'gone');
    process.env.TMPDIR = gone;
    const flags = ['--url', fake.url, '--derivations', folder, '--store-root', storeRoot];
    const { code, err } = await run(['submit', ...flags, root]);
    assert.equal(code, 1);
    assert.match(
      err,
      new RegExp(
        `drover: sources are packed below ${gone}, which failed: ENOENT.* \\(no-temporary-folder\\)\nhint: TMPDIR`,
      ),
    );
    assert.doesNotMatch(err, /^ +at /m);
  });

  it('stops when it is interrupted, and says that nothing was submitted', async () => {
    const controller = new AbortController();
    await using fake = await coordinator({
      more: {
        'POST /v1/derivations': () => {
          controller.abort();
          return undefined;
        },
      },
    });
    const argv = ['submit', '--url', fake.url, '--derivations', folder, root];
    const { code, err } = await run(argv, { interrupted: controller.signal });
    assert.equal(code, 130);
    assert.match(err, /Interrupted; nothing was submitted\./);
    assert.ok(!fake.seen.some(({ path }) => path === '/v1/submissions'));
  });

  for (const [phase, signal, code] of [
    ['reading standard input', 'SIGINT', 130],
    ['evaluation', 'SIGTERM', 143],
    ['evaluation of a flake', 'SIGINT', 130],
    ['sending sources', 'SIGTERM', 143],
  ] as const)
    it(`stops within ${phase} at ${signal}, and says that nothing was submitted`, async (context) => {
      const controller = new AbortController();
      const stop = () => controller.abort(signal);
      const here = `${'1'.repeat(32)}-here.patch`;
      const storeRoot = await mkdtemp(join(tmpdir(), 'drover-root-'));
      context.after(() => rm(storeRoot, { recursive: true, force: true }));
      await mkdir(join(storeRoot, storeDir), { recursive: true });
      await writeFile(join(storeRoot, storeDir, here), 'source');
      await using fake = await coordinator({
        derivations: new Set([root]),
        missingSources: [here],
        more: {
          'POST /v1/uploads': () => {
            stop();
            return undefined;
          },
        },
      });
      const flags = ['submit', '--url', fake.url, '--derivations', folder, '--store-root', storeRoot];
      const options = { interrupted: controller.signal };
      let argv = [...flags, root];
      if (phase === 'evaluation' || phase === 'evaluation of a flake') {
        if (!hasNix) return context.skip('needs nix-instantiate');
        // It reads for ever, and tells us that it does.
        const [pipe, expression] = [join(storeRoot, 'pipe'), join(storeRoot, 'flake', 'flake.nix')];
        await mkdir(join(storeRoot, 'flake'));
        execFileSync('mkfifo', [pipe]);
        const flake = phase === 'evaluation of a flake';
        const reads = `builtins.readFile "${pipe}"`;
        await writeFile(expression, flake ? `{ outputs = { self }: { x = ${reads}; }; }` : reads);
        argv = [...flags, ...(flake ? ['--impure', '--flake', `path:${storeRoot}/flake#x`] : ['--expr', expression])];
        void open(pipe, 'w').then((file) => {
          stop();
          return file.close();
        });
      }
      if (phase === 'reading standard input') {
        argv = [...flags, '-'];
        const { promise } = Promise.withResolvers<never>();
        async function* stdin() {
          yield `${root}\n`;
          stop();
          yield await promise;
        }
        Object.assign(options, { stdin: stdin() });
      }
      const ended = await run(argv, options);
      assert.equal(ended.code, code, ended.err);
      assert.match(ended.err, /Interrupted; nothing was submitted\./);
      assert.ok(!fake.seen.some(({ path }) => path === '/v1/submissions'));
    });

  it('says at a signal within fetching that the builds have succeeded', async (context) => {
    if (!hasNix) return context.skip('needs nix');
    const controller = new AbortController();
    const storeRoot = await mkdtemp(join(tmpdir(), 'drover-root-'));
    context.after(() => rm(storeRoot, { recursive: true, force: true }));
    const bytes = closure.find(({ name }) => name === root)?.bytes as Uint8Array;
    const [output] = parseDerivation(bytes, { storeDir }).outputs;
    const before = process.env.NIX_CONFIG;
    context.after(() => {
      if (before === undefined) delete process.env.NIX_CONFIG;
      else process.env.NIX_CONFIG = before;
    });
    process.env.NIX_CONFIG = 'substituters =';
    let built = false;
    await using fake = await coordinator({
      derivations: new Set([root]),
      more: {
        'GET /v1/status': () => ({ json: {} }),
        'POST /v1/submissions': () => ({ status: 201, json: { ...accepted, builds: 0 } }),
        [`HEAD /${output?.path.slice(storeDir.length + 1, storeDir.length + 33)}.narinfo`]: () => {
          if (!built) return { status: 404, json: {} };
          controller.abort('SIGTERM');
          return undefined;
        },
      },
    });
    const result = join(storeRoot, 'result');
    const argv = [
      'submit',
      '--url',
      fake.url,
      '--derivations',
      folder,
      '--store-root',
      storeRoot,
      '--out-link',
      result,
    ];
    argv.push(`${root}^${output?.name}`);
    // Nix remembers for an hour that something was not there; by then it was built.
    assert.match((await run(argv)).err, /\(not-fetched\)/);
    built = true;
    const { code, out, err } = await run(argv, { interrupted: controller.signal });
    assert.equal(code, 143, err);
    assert.equal(out, `${output?.path}\n`);
    assert.match(err, /^Interrupted; all builds have succeeded, but not all of what they made was fetched/m);
  });

  it('fetches by what the cache says now, not by what Nix remembers of it', async (context) => {
    if (!hasNix) return context.skip('needs nix');
    const storeRoot = await mkdtemp(join(tmpdir(), 'drover-root-'));
    context.after(() => rm(storeRoot, { recursive: true, force: true }));
    const bytes = closure.find(({ name }) => name === root)?.bytes as Uint8Array;
    const [output] = parseDerivation(bytes, { storeDir }).outputs;
    const hashPart = output?.path.slice(storeDir.length + 1, storeDir.length + 33);
    await using fake = await coordinator({
      derivations: new Set([root]),
      more: {
        'GET /v1/status': () => ({ json: {} }),
        'POST /v1/submissions': () => ({ status: 201, json: { ...accepted, builds: 0 } }),
        [`HEAD /${hashPart}.narinfo`]: () => ({ text: '' }),
        [`GET /${hashPart}.narinfo`]: () => {
          const nar = `NarHash: sha256:${'0'.repeat(52)}\nNarSize: 112\nReferences: \n`;
          return { text: `StorePath: ${output?.path}\nURL: nar/none.nar\nCompression: none\n${nar}` };
        },
      },
    });
    const argv = ['submit', '--url', fake.url, '--derivations', folder, '--store-root', storeRoot];
    argv.push('--out-link', join(storeRoot, 'result'), `${root}^${output?.name}`);
    for (const time of ['first', 'second']) {
      assert.match((await run(argv)).err, /\(not-fetched\)/);
      const asked = fake.seen
        .splice(0)
        .filter(({ method, path }) => `${method} ${path}` === `GET /${hashPart}.narinfo`);
      assert.ok(asked.length > 0, `not asked the ${time} time`);
    }
  });

  it('takes lines of nix-eval-jobs, tags builds by attribute, and tells at the end what was not evaluated', async () => {
    let wish: { roots?: string[]; rootTags?: object } = {};
    await using fake = await coordinator({
      derivations: new Set([root]),
      more: {
        'POST /v1/submissions': (request) => {
          wish = request.json();
          return { status: 201, json: accepted };
        },
      },
    });
    const line = (fields: object) => `${JSON.stringify(fields)}\n`;
    // As nix-eval-jobs 2.34 writes them, by its source: an aggregate with parts that are missing has both.
    const job = { attr: 'a.x', attrPath: ['a', 'x'], name: 'x', system: 's', outputs: { out: '/nix/store/x' } };
    const good =
      line({ ...job, drvPath: `${storeDir}/${root}` }) + line({ ...job, attr: 'b', drvPath: `${storeDir}/${root}` });
    const bad = line({ attr: 'bad', attrPath: ['bad'], error: 'error:\n  … while\n\n  error: on purpose' });
    const argv = ['submit', '--url', fake.url, '--derivations', folder, '-'];
    const { code, out, err } = await run([...argv, '--json'], {
      stdin: bad + good + line({ ...job, attr: 'all', drvPath: '/nix/store/x.drv', error: 'bad: error' }),
    });
    assert.equal(code, 1, err);
    assert.deepEqual(wish.roots, [root]);
    assert.deepEqual(wish.rootTags, { [root]: { attr: 'a.x', 'attr.2': 'b' } });
    assert.match(err, /^not evaluated {2}bad: error:\n.*\n\s*\n +error: on purpose\n/m);
    assert.match(err, /\n2 attributes were not evaluated: bad, all\n$/);
    const { submission, notEvaluated } = JSON.parse(out);
    assert.deepEqual([submission, notEvaluated[1]], ['s1', { attr: 'all', error: 'bad: error' }]);

    assert.equal((await run([...argv, '--tag', 'job=n'], { stdin: `\n${good}` })).code, 0);
    const asked = fake.seen.length;
    const taken = await run([...argv, '--tag', 'attr=mine'], { stdin: good });
    assert.equal(taken.code, 2);
    assert.match(taken.err, /--tag: expected another key than attr, .* got attr=mine.*\n.*nothing was submitted/);
    const nothing = await run(argv, { stdin: bad });
    assert.deepEqual([nothing.code, /nothing was submitted/.test(nothing.err)], [1, true]);
    for (const [text, words] of [
      [`${good}${good.slice(0, 50)}`, /line 3 of standard input: expected a line of JSON/],
      [line({ drvPath: root }), /line 1 .* attr: expected the name of an attribute, got none/],
      [line({ attr: 'x'.repeat(257), drvPath: root }), /attr: expected at most 256 characters, got 257/],
      [`\n${line({ attr: 'x', drvPath: 3 })}`, /line 2 .* drvPath: expected a derivation, .* got 3/],
      [line({ attr: 'x', drvPath: '/nix/store/no' }), /there is no \/nix\/store\/no/],
      ['{'.repeat(8 * 1024 * 1024 + 1), /line 1 .* expected at most 8388608 characters, got more/],
      ['[]{}', /there is no \[\]\{\}/],
    ] as const) {
      const wrong = await run(argv, { stdin: text });
      assert.equal(wrong.code, 2, wrong.err);
      assert.match(wrong.err, words);
    }
    assert.ok(
      fake.seen.slice(asked).every(({ path }) => path === '/nix-cache-info'),
      'nothing was sent',
    );
  });

  it('ends at a signal though standard input stays open', async () => {
    await using fake = await coordinator({});
    const main = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, 'submit', '--url', fake.url, '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    // It has asked for the store directory: what comes next is standard input.
    while (fake.seen.length === 0 && child.exitCode === null) await setImmediate();
    child.kill('SIGINT');
    const [code] = await once(child, 'close');
    assert.equal(code, 130, said);
    assert.match(said, /nothing was submitted/);
  });

  for (const [what, row, words] of [
    [
      'has it',
      { id: 's9' },
      /No longer watching; the coordinator has the submission s9 .*\n {2}drover submissions watch s9 /,
    ],
    ['does not say', undefined, /whether it has the submission is not known\.\n {2}drover submissions list /],
  ] as const)
    it(`finds out after an interruption whether the coordinator has the submission: it ${what}`, async () => {
      const controller = new AbortController();
      const keys: unknown[] = [];
      await using fake = await coordinator({
        derivations: new Set([root]),
        more: {
          // As one that takes long, or stands still.
          'POST /v1/submissions': ({ headers }) => {
            keys.push(headers['idempotency-key']);
            controller.abort();
            return undefined;
          },
          'GET /v1/submissions': ({ query }) => {
            keys.push(query.get('key'));
            return { json: { rows: row === undefined ? [] : [row] } };
          },
        },
      });
      const argv = ['submit', '--url', fake.url, '--derivations', folder, root];
      const { code, err } = await run(argv, { interrupted: controller.signal });
      assert.equal(code, 130);
      assert.match(err, words);
      assert.doesNotMatch(err, /nothing was submitted/);
      assert.equal(keys.length, 2);
      assert.equal(keys[0], keys[1]);
    });

  it('still hears the answer that comes right after an interruption', async () => {
    const controller = new AbortController();
    await using fake = await coordinator({
      derivations: new Set([root]),
      more: {
        'GET /v1/status': () => ({ json: { position: '1' } }),
        'POST /v1/submissions': () => {
          controller.abort();
          return { status: 201, json: accepted };
        },
      },
    });
    const argv = ['submit', '--url', fake.url, '--derivations', folder, root, '--wait'];
    const { code, err } = await run(argv, { interrupted: controller.signal });
    assert.equal(code, 130);
    assert.match(err, /the coordinator has the submission s1 and goes on with it/);
  });

  it('passes a refusal on with its code', async () => {
    await using fake = await coordinator({
      more: {
        'POST /v1/derivations': () => ({
          status: 422,
          json: { code: 'wrong-output-path', detail: 'expected /nix/store/x, got /nix/store/y' },
        }),
      },
    });
    const { code, err } = await run(['submit', '--url', fake.url, '--derivations', folder, root]);
    assert.equal(code, 1);
    assert.match(err, /drover: expected \/nix\/store\/x, got \/nix\/store\/y \(wrong-output-path\)/);
  });

  it('refuses wrong uses', async () => {
    await using fake = await coordinator({});
    assert.match((await run(['submit', '--url', fake.url])).err, /expected a derivation to build, got none/);
    for (const [flags, words] of [
      [['-A', 'x'], /expected --expr FILE or -E TEXT with -A: /],
      [[root, '--arg', 'x', '1'], /with --arg: it is for a Nix expression, and a derivation takes none/],
      [['--flake', '.#x', '--argstr', 'x', '1'], /with --argstr: a flake takes none/],
      [[root, '--option', 'x', '1'], /expected --expr FILE, -E TEXT or --flake REF with --option/],
      [['-E', 'x', '--impure'], /expected --flake REF with --impure/],
      [['-E', 'x', '--expr', 'y'], /expected either --expr FILE or -E TEXT, got both/],
      [['-E', 'x', '--arg', 'x'], /expected a name and a value after --arg, got "x"/],
      [['-E', 'x', '--argstr', '-A', 'x'], /expected a name and a value after --argstr, got "-A x"/],
      [['--out-link', '/nowhere/result', root], /--out-link \/nowhere\/result: there is no folder \/nowhere/],
      [['--out-link', folder, root], /expected nothing or a link to be there/],
      [['--out-link', 'result', '--store-dir', '/gnu/store', root], /the coordinator has no cache of \/gnu\/store/],
    ] as const) {
      const { code, err } = await run(['submit', '--url', fake.url, ...flags]);
      assert.equal(code, 2, err);
      assert.match(err, words);
    }
    for (const [tags, words] of [
      [['bad key=x'], /--tag key=value with a key of/],
      [['branch=main', 'branch=dev'], /--tag: expected each key once, got branch=main and branch=dev/],
      [['__proto__=x'], /--tag key=value with a key of/],
    ] as const) {
      const flags = tags.flatMap((tag) => ['--tag', tag]);
      const { code, err } = await run(['submit', '--url', fake.url, '--expr', '/nowhere/default.nix', ...flags]);
      assert.equal(code, 2, err);
      assert.match(err, words);
    }
  });
});
