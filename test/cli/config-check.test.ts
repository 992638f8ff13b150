import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from './support/run-cli.ts';

describe('drover config check', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-config-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('prints every setting and where it comes from', async () => {
    const file = join(folder, 'good.toml');
    await writeFile(file, 'data = "/srv/drover"\n[build]\nmax-attempts = 7\n');
    const { code, out } = await run(['config', 'check', '--config', file, '--lease-seconds', '90'], {
      environment: { DROVER_LOG_LEVEL: 'debug' },
    });
    assert.equal(code, 0);
    assert.match(out, /^SETTING +VALUE +FROM\n/);
    assert.match(out, /\nlease-seconds +90 +--lease-seconds\n/);
    assert.match(out, /\nlog-level +debug +DROVER_LOG_LEVEL\n/);
    assert.match(out, /\nbuild\.max-attempts +7 +\S+good\.toml\n/);
    assert.match(out, /\nlisten +127\.0\.0\.1:8745 +default\n/);
  });

  it('refuses a store that no builder of an agent could open, as a setting', async () => {
    const check = (...flags: string[]) =>
      run([
        'config',
        'check-agent',
        '--coordinator',
        'http://localhost',
        '--token-file',
        't',
        '--state',
        's',
        ...flags,
      ]);
    const guix = ['--store-dir', '/gnu/store'];
    for (const flags of [
      ['--store', '/srv/store'],
      ['--store', 'unix://%'],
      [...guix, '--store', 'local?root=/srv'],
    ]) {
      const { code, err } = await check(...flags);
      assert.equal(code, 2);
      assert.match(err, /^drover: \S*store: expected auto, daemon.* \(invalid-config\)/);
    }
    assert.equal((await check(...guix, '--store', '/run/guix/socket')).code, 0);
  });

  it('takes the file from DROVER_CONFIG, and prints JSON', async () => {
    const file = join(folder, 'env.toml');
    await writeFile(file, 'data = "/srv/drover"');
    const { code, out } = await run(['config', 'check', '--json'], { environment: { DROVER_CONFIG: file } });
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out).settings.data, { value: '/srv/drover', from: file });
  });

  it('refuses a file with a password that others can read, and only such a file', async () => {
    const file = join(folder, 'nats.toml');
    const text = (store: string) => `data = "/srv/drover"\nstore = "${store}"\n`;
    const check = () => run(['config', 'check', '--config', file]);
    await writeFile(file, text('nats://drover:hunter2@nats.example.org'));
    for (const [mode, code] of [
      [0o600, 0],
      [0o640, 0],
      [0o644, 2],
      [0o660, 2],
    ] as const) {
      await chmod(file, mode);
      const checked = await check();
      assert.equal(checked.code, code, `${mode.toString(8)}: ${checked.err}`);
      assert.doesNotMatch(checked.out + checked.err, /hunter2/);
      if (code === 0) assert.match(checked.out, /\nstore +nats:\/\/\(hidden\)@nats\.example\.org /);
      if (code === 2) assert.match(checked.err, /has a password in it: .*\(unsafe-permissions\)\nhint: chmod 640/);
    }
    await writeFile(file, text('nats://nats.example.org'));
    await chmod(file, 0o644);
    assert.equal((await check()).code, 0);
  });

  it('shows what hooks are, without what may be secret in them', async () => {
    const file = join(folder, 'hooks.toml');
    const secret = 's3cr3t';
    const signing = join(folder, 'chat.whsec');
    await writeFile(signing, `whsec_${Buffer.alloc(24).toString('base64')}\n`, { mode: 0o600 });
    await writeFile(
      file,
      `data = "/srv/drover"
[[hook]]
name = "chat"
on = ["BuildFailed", "BuildSucceeded"]
url = "https://chat.example/hooks/${secret}?key=${secret}"
secret-file = "${signing}"
[hook.where]
tags = { branch = "main" }
classes = ["builder-failed"]
[[hook]]
name = "mail"
on = ["BuildFailed"]
run = "CHAT_TOKEN=${secret} notify --password ${secret} --api-key=${secret} https://x.example/${secret} -H 'Authorization: Bearer ${secret}' root"
[[hook]]
name = "archive"
on = ["StoreItemAdded"]
run = ["/usr/bin/archive", "--token", "${secret}", "--to", "/srv"]
`,
    );
    const { code, out } = await run(['config', 'check', '--config', file]);
    assert.equal(code, 0);
    assert.match(out, /\nhook +chat,mail,archive +\S+hooks\.toml\n/);
    assert.match(
      out,
      /\nhook\.chat: +BuildFailed BuildSucceeded where tags=\{"branch":"main"\} classes=\["builder-failed"\] → https:\/\/chat\.example\/… \(signed with \S+\/chat\.whsec\)\n/,
    );
    assert.match(
      out,
      /\nhook\.mail: +BuildFailed → CHAT_TOKEN=… notify --password … --api-key=… https:\/\/x\.example\/… /,
    );
    assert.match(out, / root\n/);
    // No long line of a hook pads the lines of settings.
    assert.match(out, /\nlog-format {1,40}auto {1,60}default\n/);
    assert.match(out, /\nhook\.archive: +StoreItemAdded → \["\/usr\/bin\/archive","--token","…","--to","\/srv"\]\n/);
    const asked = await run(['config', 'check', '--config', file, '--json']);
    const { hook } = JSON.parse(asked.out).settings;
    assert.deepEqual(hook.value[0].url, 'https://chat.example/…');
    assert.deepEqual(hook.value[0].where, { tags: { branch: 'main' }, classes: ['builder-failed'] });
    assert.doesNotMatch(out + asked.out, new RegExp(secret));
  });

  it('says of every hook to which nothing could be delivered why', async () => {
    const file = join(folder, 'lost-hooks.toml');
    const hook = (name: string, more: string) => `[[hook]]\nname = "${name}"\non = ["BuildFailed"]\n${more}\n`;
    const nowhere = join(folder, 'nowhere.whsec');
    await writeFile(
      file,
      `data = "${folder}"\n${hook('near', 'url = "http://10.1.2.3/hook"')}${hook('allowed', 'url = "http://10.1.2.3/hook"\nallow-private = true')}${hook('unsigned', `url = "https://x.example/"\nsecret-file = "${nowhere}"`)}[[hook]]\nname = "own"\nmirror.folder = "${folder}/pool"\n`,
    );
    const { code, out, err } = await run(['config', 'check', '--config', file]);
    assert.equal(code, 2);
    assert.equal(out, '');
    assert.match(err, /hook "near": expected a public address, got 10\.1\.2\.3.*\(allow-private\)\n/);
    assert.match(err, /hook "unsigned": secret file \S+nowhere\.whsec: ENOENT/);
    assert.match(err, /hook "own": folder: expected one apart from the coordinator's own /);
    assert.doesNotMatch(err, /"allowed"/);
    const store = await run(['config', 'check', '--data', folder, '--store', 'postgres://x']);
    assert.equal(store.code, 2);
    assert.match(store.err, /store: Expected sqlite, /);
  });

  it('says what is wrong, with exit code 2', async () => {
    const file = join(folder, 'bad.toml');
    await writeFile(file, 'data = "/srv/drover"\nlissten = "x"');
    const { code, out, err } = await run(['config', 'check', '--config', file]);
    assert.equal(code, 2);
    assert.equal(out, '');
    assert.match(err, /unknown key "lissten"; did you mean listen\?/);
    const agents = join(folder, 'agent.toml');
    await writeFile(agents, 'coordinator = "http://c"\nstate = "/s"\ntoken-file = "/t"');
    const wrong = await run(['config', 'check', '--config', agents]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /\nhint: 'drover config check-agent' checks the file of an agent\n/);
    assert.equal((await run(['config', 'check-agent', '--config', agents])).code, 0);
    const turned = await run(['config', 'check-agent', '--config', file]);
    assert.match(turned.err, /\nhint: 'drover config check' checks the file of a coordinator\n/);
    const rules = join(folder, 'rules.toml');
    await writeFile(rules, 'data = "/srv/drover"\n[[keep]]\nname = "all"\nnewest = 1\nforever = true');
    const unknown = await run(['config', 'check', '--config', rules]);
    assert.match(unknown.err, /keep "all": unknown key "forever"; it has name, newest, derivation, tags, per \(/);
    assert.doesNotMatch(unknown.err, /--help/, 'which has none of these');
    const missing = await run(['config', 'check', '--config', join(folder, 'nowhere.toml')]);
    assert.equal(missing.code, 2);
    assert.match(missing.err, /cannot read the config file .*nowhere\.toml/);
  });
});
