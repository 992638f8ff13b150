import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fieldsOf } from '../../../cli/config/fields.ts';
import { loadConfig } from '../../../cli/config/load.ts';
import { coordinatorConfigSchema } from '../../../coordinator/config.ts';
import { builtIns } from '../../../coordinator/hooks/built-ins.ts';
import { declaredHook } from '../../../coordinator/hooks/settings.ts';

const load = (text: string, environment: Record<string, string> = {}) =>
  loadConfig(coordinatorConfigSchema, {
    flags: {},
    environment,
    file: { name: 'c.toml', text: `data = "/d"\n${text}` },
  });

describe('[[hook]] of the configuration', () => {
  it('is read with its keys as the file has them, and defaults for the rest', () => {
    const loaded = load(`
[[hook]]
name = "mail"
on = ["BuildFailed", "BuildSucceeded"]
run = ["mail-it", "--to", "x"]
timeout-seconds = 5
retry.max-attempts = 3
where = { tags = { "my-tag" = "x" }, systems = ["x86_64-linux"], name = "hello-*" }
[[hook]]
name = "ci"
on = ["BuildFailed"]
url = "https://ci.example/drover"
secret-file = "/etc/drover/ci.whsec"
allow-private = true
order = "all"
from = "start"
`);
    assert.ok('config' in loaded, JSON.stringify(loaded));
    assert.deepEqual(loaded.config.hook.map(declaredHook), [
      {
        name: 'mail',
        from: 'now',
        definition: {
          on: ['BuildFailed', 'BuildSucceeded'],
          where: { tags: { 'my-tag': 'x' }, systems: ['x86_64-linux'], name: 'hello-*' },
          target: { kind: 'command', run: ['mail-it', '--to', 'x'] },
          concurrency: 4,
          timeoutSeconds: 5,
          retry: { maxAttempts: 3, baseSeconds: 5, maxSeconds: 900 },
          order: 'stream',
        },
      },
      {
        name: 'ci',
        from: 'start',
        definition: {
          on: ['BuildFailed'],
          target: {
            kind: 'webhook',
            url: 'https://ci.example/drover',
            secretFile: '/etc/drover/ci.whsec',
            allowPrivate: true,
          },
          concurrency: 4,
          timeoutSeconds: 60,
          retry: { maxAttempts: 10, baseSeconds: 5, maxSeconds: 900 },
          order: 'all',
        },
      },
    ]);
    assert.equal(loaded.origins.get('hook'), 'c.toml');
  });

  it('of what is built in has its own table, and all types of events that it knows', () => {
    const loaded = load(`
[[hook]]
name = "data"
guix-data-service = { url = "https://data.guix.gnu.org", build-server = 3, token-file = "/etc/drover/token" }
[[hook]]
name = "some"
on = ["BuildFailed"]
guix-data-service = { url = "https://data.guix.gnu.org", build-server = 3, token-file = "/etc/drover/token" }
`);
    assert.ok('config' in loaded, JSON.stringify(loaded));
    const [data, some] = loaded.config.hook.map(declaredHook);
    assert.deepEqual(data?.definition.target, {
      kind: 'guix-data-service',
      url: 'https://data.guix.gnu.org',
      buildServer: 3,
      tokenFile: '/etc/drover/token',
    });
    assert.deepEqual(data.definition.on, builtIns['guix-data-service'].types);
    assert.deepEqual(some?.definition.on, ['BuildFailed']);
  });

  it('is refused with what may have been meant', () => {
    const problems = (text: string) => {
      const loaded = load(text);
      assert.ok('problems' in loaded);
      return loaded.problems;
    };
    const one = 'name = "x"\non = ["BuildFailed"]\nrun = "x"\n';
    assert.deepEqual(problems(`[hook]\n${one}`), ['c.toml: hook: expected [[hook]], one for each, got [hook]']);
    assert.deepEqual(problems(`[[hook]]\n${one}timeout-second = 3\nfoo = 1\nretry.max-attempt = 2\n`), [
      'c.toml: hook "x", retry: unknown key "max-attempt"; did you mean max-attempts?',
      'c.toml: hook "x": unknown key "timeout-second"; did you mean timeout-seconds?',
      'c.toml: hook "x": unknown key "foo"; it has name, from, on, where, run, url, secret-file, allow-private, notify, guix-data-service, publish, mirror, concurrency, timeout-seconds, retry, order',
    ]);
    assert.deepEqual(problems('[[hook]]\nname = "x"\nnotify.webhok = { url = "https://s3cr3t.example" }\n'), [
      'c.toml: hook "x", notify: unknown key "webhok"; did you mean webhook?',
      'c.toml: hook "x", notify: expected either webhook or mail, got none',
    ]);
  });

  it('is refused with the hook and the key that are wrong', () => {
    const loaded = load(`
[[hook]]
name = "web"
on = ["BuildFaild"]
url = "ftp://x"
timeout-seconds = 0
frob = 1
[[hook]]
name = "both"
on = ["BuildFailed"]
run = "true"
url = "https://x.example/"
[[hook]]
on = ["BuildFailed"]
run = "true"
[[hook]]
name = "data"
on = ["AgentPaused"]
guix-data-service = { url = "https://data.guix.gnu.org", build-server = 3, token-file = "/x" }
[[hook]]
name = "half"
guix-data-service = { url = "https://data.guix.gnu.org", token-file = "/x" }
[[hook]]
name = "no-types"
run = "true"
`);
    assert.ok('problems' in loaded);
    const text = loaded.problems.join('\n');
    assert.match(text, /^c\.toml: hook "web", on\.0: expected the type of an event, .*, got "BuildFaild"$/m);
    assert.match(text, /^c\.toml: hook "web", url: expected an http or https URL, got "ftp:\/\/x"$/m);
    assert.match(text, /^c\.toml: hook "web", timeout-seconds: .*, got 0$/m);
    assert.match(text, /^c\.toml: hook "web": unknown key "frob"; did you mean from\?$/m);
    assert.match(text, /^c\.toml: hook "both": expected one of run, url, .*, got run and url$/m);
    assert.match(text, /^c\.toml: hook 3, name: /m);
    assert.match(text, /^c\.toml: hook "data": on: expected types that guix-data-service knows .*, got AgentPaused$/m);
    assert.match(text, /^c\.toml: hook "half", guix-data-service\.build-server: expected a number, got nothing$/m);
    assert.match(text, /^c\.toml: hook "no-types": expected on, /m);
  });

  it('is refused where a setting is not in the table that it belongs to', () => {
    const loaded = load(`
[[hook]]
name = "mail"
notify.mail = { server = "smtp://127.0.0.1", from = "a@example.org", to = ["b@example.org"] }
allow-private = true
[[hook]]
name = "chat"
notify.webhook = { url = "https://x.example/" }
secret-file = "/x"
`);
    assert.ok('problems' in loaded);
    const text = loaded.problems.join('\n');
    assert.match(
      text,
      /"mail": expected allow-private with a webhook \(url\) alone, got it with notify; .*notify\.mail .*\{ …, allow-private = … \}$/m,
    );
    assert.match(
      text,
      /"chat": expected secret-file with a webhook \(url\) alone, got it with notify; notify\.webhook has it/m,
    );
  });

  it('takes mail addresses of this machine and of a network without dots, and nothing that is more than an address', () => {
    const hook = (to: string) =>
      load(
        `[[hook]]\nname = "m"\nnotify.mail = { server = "smtp://127.0.0.1", from = "drover@farm", to = ['${to}'] }\n`,
      );
    for (const to of ['root@localhost', 'ops@example.org', 'o.p+s@mail-1.example.org'])
      assert.ok('config' in hook(to), `${to}: ${JSON.stringify(hook(to))}`);
    for (const to of ['root', 'a@b@c', 'a b@c', 'a@-b', 'a@b.', 'a,b@c', 'A <a@b.org>', 'a@[127.0.0.1]'])
      assert.match(JSON.stringify(hook(to)), /notify\.mail\.to\.0: expected a mail address, like ops@example\.org/, to);
  });

  it('keeps a folder in the layout of guix publish, in compressions that are for that alone', () => {
    const hook = (target: string) =>
      load(`store-dir = "/gnu/store"\n[[hook]]\nname = "a"\npublish = { folder = "/srv/g", ${target} }`);
    const loaded = hook('layout = "guix-publish", compressions = ["gzip", "zstd"]');
    assert.ok('config' in loaded, JSON.stringify(loaded));
    for (const [target, problem] of [
      ['compressions = ["gzip"]', 'publish.compressions: expected none without layout guix-publish'],
      [
        'layout = "guix-publish", compressions = ["gzip", "gzip"]',
        'publish.compressions: expected each compression once',
      ],
      ['layout = "guix-publish", compressions = ["xz"]', 'publish.compressions.0: '],
      ['layout = "guix"', 'publish.layout: '],
    ] as const) {
      const refused = hook(target);
      assert.ok('problems' in refused && refused.problems.join().includes(problem), JSON.stringify(refused));
    }
  });

  it('is refused with conditions that none of its events can meet', () => {
    const folder = 'folder = "/srv/cache"';
    for (const [hook, condition] of [
      [`mirror = { ${folder} }\nwhere = { tags = { branch = "main" } }`, 'tags'],
      [`mirror = { ${folder} }\nwhere = { name = "hello-*", agents = ["a"] }`, 'agents'],
      [`publish = { ${folder} }\nwhere = { classes = ["timed-out"] }`, 'classes'],
      ['on = ["StoreItemAdded"]\nrun = "true"\nwhere = { tags = { branch = "main" } }', 'tags'],
      ['on = ["AgentConnected", "BuildSucceeded"]\nrun = "true"\nwhere = { classes = ["timed-out"] }', 'classes'],
      ['on = ["LogCheckpointed"]\nrun = "true"\nwhere = { name = "*" }', 'name'],
    ]) {
      const loaded = load(`[[hook]]\nname = "a"\n${hook}`);
      assert.ok('problems' in loaded, hook);
      assert.match(loaded.problems.join(), new RegExp(`"a": where: expected conditions .*, got ${condition}: no `));
    }
    for (const hook of [
      `mirror = { ${folder} }\nwhere = { systems = ["x86_64-linux"], name = "*" }`,
      `publish = { ${folder} }\nwhere = { tags = { branch = "main" }, agents = ["a"] }`,
      'on = ["BuildSucceeded"]\nnotify.webhook = { url = "https://x.example/" }\nwhere = { classes = ["timed-out"] }',
      'on = ["StoreItemAdded", "BuildFailed"]\nrun = "true"\nwhere = { classes = ["timed-out"], tags = { a = "b" } }',
    ]) {
      const loaded = load(`[[hook]]\nname = "a"\n${hook}`);
      assert.ok('config' in loaded, JSON.stringify(loaded));
    }
  });

  it('has a name of its own each', () => {
    const one = '[[hook]]\nname = "a"\non = ["BuildFailed"]\nrun = "true"\n';
    const loaded = load(one + one);
    assert.ok('problems' in loaded && /two are a/.test(loaded.problems.join()));
  });

  it('has no flag and no variable', () => {
    const loaded = load('', { DROVER_HOOK: 'x' });
    assert.ok('problems' in loaded && /DROVER_HOOK: unknown variable/.test(loaded.problems.join()));
    assert.equal(fieldsOf(coordinatorConfigSchema).find(({ key }) => key === 'hook')?.type, 'tables');
  });
});
