import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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

  it('takes the file from DROVER_CONFIG, and prints JSON', async () => {
    const file = join(folder, 'env.toml');
    await writeFile(file, 'data = "/srv/drover"');
    const { code, out } = await run(['config', 'check', '--json'], { environment: { DROVER_CONFIG: file } });
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out).settings.data, { value: '/srv/drover', from: file });
  });

  it('says what is wrong, with exit code 2', async () => {
    const file = join(folder, 'bad.toml');
    await writeFile(file, 'data = "/srv/drover"\nlissten = "x"');
    const { code, out, err } = await run(['config', 'check', '--config', file]);
    assert.equal(code, 2);
    assert.equal(out, '');
    assert.match(err, /unknown key "lissten"; did you mean listen\?/);
    const missing = await run(['config', 'check', '--config', join(folder, 'nowhere.toml')]);
    assert.equal(missing.code, 2);
    assert.match(missing.err, /cannot read the config file .*nowhere\.toml/);
  });
});
