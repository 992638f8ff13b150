import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Command } from 'commander';
import { processIo } from '../../cli/output/io.ts';
import { buildProgram } from '../../cli/program.ts';
import { run } from './support/run-cli.ts';

/** Every command that there is, with the words that call it. Changing this list changes what users have learnt. */
const commands = [
  'agent',
  'agents',
  'agents add',
  'agents drain',
  'agents list',
  'agents pause',
  'agents remove',
  'agents resume',
  'agents rotate-token',
  'agents show',
  'builds',
  'builds cancel',
  'builds history',
  'builds list',
  'builds log',
  'builds prioritize',
  'builds retry',
  'builds show',
  'builds why',
  'completion',
  'config',
  'config check',
  'config check-agent',
  'context',
  'context list',
  'context remove',
  'context show',
  'context use',
  'coordinator',
  'doctor',
  'doctor agent',
  'doctor client',
  'doctor coordinator',
  'events',
  'events checkpoint',
  'events export',
  'events show',
  'events tail',
  'events verify',
  'hooks',
  'hooks add',
  'hooks list',
  'hooks pause',
  'hooks remove',
  'hooks replay',
  'hooks resume',
  'hooks retry-parked',
  'hooks show',
  'hooks skip',
  'hooks test',
  'items',
  'items delete',
  'items list',
  'items show',
  'items verify',
  'log',
  'log accept',
  'log copy',
  'login',
  'mirror',
  'replay',
  'status',
  'submissions',
  'submissions cancel',
  'submissions list',
  'submissions resume',
  'submissions retry',
  'submissions show',
  'submit',
  'tokens',
  'tokens create',
  'tokens list',
  'tokens revoke',
  'views',
  'views rebuild',
];

function walk(command: Command, words: readonly string[] = []): readonly (readonly [string, Command])[] {
  return command.commands.flatMap((child) => {
    const path = [...words, child.name()];
    return [[path.join(' '), child] as const, ...walk(child, path)];
  });
}

describe('the command line', () => {
  const all = walk(buildProgram({ io: processIo(), exitCode: 0 }));

  it('has these commands', () => {
    assert.deepEqual(all.map(([name]) => name).sort(), commands);
  });

  for (const [name, command] of all) {
    it(`${name} --help says what it does, with an example`, async () => {
      const { code, out, err } = await run([...name.split(' '), '--help']);
      assert.equal(code, 0);
      assert.equal(err, '');
      assert.ok(out.startsWith(`Usage: drover ${name}`), out);
      assert.match(out, /\nExamples:\n {2}# .+\n {2}\$ .*drover /);
      assert.ok(out.includes(`drover ${name.split(' ')[0]}`));
      assert.notEqual(command.summary(), '');
      assert.doesNotMatch(out, /default: [^\d")]*[{[]/, 'a default is shown as it is given');
      for (const option of command.options) assert.notEqual(option.description, '', `${name} ${option.flags}`);
    });
  }

  it('gives every listing and show --json, and every client its connection', () => {
    for (const [name, command] of all) {
      const flags = command.options.map((option) => option.long);
      if (/ (list|show|why|tail|check|check-agent)$|^status$|^submit$/.test(name))
        assert.ok(flags.includes('--json'), name);
      const local =
        /^((doctor )?(coordinator|agent)|completion|config.*|context.*|login|log (accept|copy))$/.test(name) ||
        command.commands.length > 0;
      assert.equal(flags.includes('--url'), !local, name);
    }
  });

  it('prints its version', async () => {
    const { code, out } = await run(['--version']);
    assert.equal(code, 0);
    assert.match(out, /^\d+\.\d+\.\d+\n$/);
  });

  it('answers a wrong use with a suggestion and exit code 2', async () => {
    const command = await run(['build', 'list']);
    assert.equal(command.code, 2);
    assert.match(command.err, /unknown command 'build'\n\(Did you mean builds\?\)/);
    const option = await run(['builds', 'list', '--stat', 'failed']);
    assert.equal(option.code, 2);
    assert.match(option.err, /Did you mean --state\?/);
    const number = await run(['submit', 'x.drv', '--priority', '5000']);
    assert.equal(number.code, 2);
    assert.match(number.err, /Expected a whole number from -1000 to 1000, got "5000"/);
    assert.equal((await run([])).code, 2);
    const asked = await run(['help']);
    assert.deepEqual([asked.code, asked.err], [0, ''], 'help that was asked for is no wrong use');
    assert.match(asked.out, /^Usage: drover /);
    const group = await run(['builds']);
    assert.equal(group.code, 2);
    assert.match(group.err, /Commands:/);
  });
});
