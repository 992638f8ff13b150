import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { lockForWriting } from '../../adapters/event-store/sqlite/lock.ts';
import { temporaryFolder } from '../support/nix-tools.ts';
import { type CliRun, run } from './support/run-cli.ts';

describe('drover keys', () => {
  const resources = new AsyncDisposableStack();
  let home = '';
  before(async () => {
    home = resources.use(await temporaryFolder()).path;
  });
  after(() => resources.disposeAsync());

  const at = (name: string): string => join(home, name);
  const text = (name: string): string => readFileSync(at(name), 'utf8');
  const secretOf = (file: string): string => /\(d #([0-9A-F]+)#/.exec(file)?.[1] ?? file.split(':')[1]?.trim() ?? '?';
  /** Nothing that is printed has a secret in it. */
  const secrets = new Set<string>();
  async function keys(...words: string[]): Promise<CliRun> {
    const result = await run(['keys', ...words]);
    for (const secret of secrets) assert.ok(!(result.out + result.err).includes(secret.slice(0, 30)), words.join(' '));
    return result;
  }
  async function made(name: string, ...words: string[]): Promise<void> {
    const result = await keys('generate', ...words);
    assert.equal(result.code, 0, result.err);
    const secret = secretOf(text(name));
    assert.ok(secret.length > 30);
    assert.ok(!result.out.includes(secret.slice(0, 30)));
    secrets.add(secret);
    assert.equal(statSync(at(name)).mode & 0o777, 0o600);
  }

  it('takes no empty name for the current folder, as of a variable that is not set', async () => {
    const result = await keys('list', '--data', '');
    assert.equal(result.code, 2);
    assert.match(result.err, /expected a value for --data, got an empty one \(wrong-use\)/);
  });

  for (const [format, file] of [
    ['guix', 'guix-key'],
    ['nix', 'cache-key'],
  ] as const)
    it(`makes, lists, exports and imports keys of ${format}, and leaves what is there alone`, async () => {
      const data = ['--data', home];
      await made(`${file}.sec`, '--format', format, ...data);
      const list = JSON.parse((await keys('list', ...data, '-o', 'json')).out).rows;
      assert.equal(`${list.find((row: { format: string }) => row.format === format).publicKey}\n`, text(`${file}.pub`));
      assert.match((await keys('list', ...data)).out, new RegExp(`^${format} .*${file}\\.pub`, 'm'));
      assert.equal((await keys('export', '--format', format, ...data)).out, text(`${file}.pub`));
      const again = await keys('generate', '--format', format, ...data);
      assert.deepEqual([again.code, /expected no file, got one/.test(again.err)], [1, true]);

      // The secret half goes to a file alone.
      const refused = await keys('export', '--format', format, ...data, '--secret');
      assert.deepEqual([refused.code, /expected --to FILE/.test(refused.err)], [2, true]);
      const copy = at(`${format}-copy.sec`);
      assert.equal((await keys('export', '--format', format, ...data, '--secret', '--to', copy)).code, 0);
      assert.deepEqual([statSync(copy).mode & 0o777, readFileSync(copy, 'utf8')], [0o600, text(`${file}.sec`)]);

      // The same one is no other; another is put there when that is said, and the one before is kept.
      assert.equal((await keys('import', copy, '--format', format, ...data)).code, 0);
      await made(`${format}-other.sec`, '--format', format, '--to', at(`${format}-other`));
      const other = ['import', at(`${format}-other.sec`), '--format', format, ...data];
      const exists = await keys(...other);
      assert.match(exists.err, /expected no other key, got .* trust.*\n.*--replace/s);
      assert.equal(text(`${file}.sec`), readFileSync(copy, 'utf8'));
      const replaced = await keys(...other, '--replace');
      assert.equal(replaced.code, 0, replaced.err);
      assert.match(replaced.out, format === 'guix' ? /fetch nothing until it is authorized/ : /keeps that signature/);
      assert.deepEqual(
        [text(`${file}.sec`), text(`${file}.pub`)],
        [text(`${format}-other.sec`), text(`${format}-other.pub`)],
      );
      assert.equal(text(`${file}.sec.1`), readFileSync(copy, 'utf8'));
    });

  it('refuses files that are no keys, others’ to read, or not there, and says what is wrong', async () => {
    const good = text('guix-other.sec');
    for (const [what, content, message] of [
      ['cut', good.slice(0, 70), /bad\.sec: expected a secret key, .* got another text/],
      ['CRLF', good.replaceAll('\n', '\r\n'), /bad\.sec: expected lines that end with LF/],
      ['curve', good.replace('Ed25519', 'Ed448'), /bad\.sec: expected the curve Ed25519, got "Ed448"/],
      ['public', text('guix-other.pub'), /bad\.sec: expected a secret key, got the public half/],
      ['of Nix', text('nix-other.sec'), /bad\.sec: expected \(private-key/],
    ] as const) {
      writeFileSync(at('bad.sec'), content, { mode: 0o600 });
      const result = await keys('import', at('bad.sec'), '--format', 'guix', '--data', home, '--replace');
      assert.equal(result.code, 1, what);
      assert.match(result.err, message);
    }
    writeFileSync(at('open.sec'), good, { mode: 0o644 });
    const open = await keys('import', at('open.sec'), '--format', 'guix', '--data', home);
    assert.match(open.err, /expected a file that nobody else can read/);
    assert.match((await keys('import', at('none'), '--format', 'guix', '--data', home)).err, /none: .*no such file/);
    assert.match((await keys('list', '--data', at('nowhere'))).err, /expected a data folder, got no/);
    assert.match((await keys('generate', '--format', 'nix')).err, /expected one of --data and --to/);
    const name = await keys('generate', '--format', 'nix', '--to', at('x'), '--name', 'a:b');
    assert.match(name.err, /--name: expected a key name/);
  });

  it('changes nothing under a coordinator that runs', async () => {
    using _lock = lockForWriting(home);
    copyFileSync(at('guix-other.sec'), at('third.sec'));
    const result = await keys('import', at('third.sec'), '--format', 'guix', '--data', home, '--replace');
    assert.match(result.err, /is being written to by process/);
  });
});
