import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { guixName, noGuix, openGuixMachine } from '../support/guix.ts';
import { noNixTools, runNix, temporaryFolder } from '../support/nix-tools.ts';

const folder = fileURLToPath(new URL('../../deploy/', import.meta.url));
const read = (path: string): string => readFileSync(join(folder, path), 'utf8');

test('docs/operating.md shows the units and their settings as they are in deploy/systemd', () => {
  const page = readFileSync(join(folder, '../docs/operating.md'), 'utf8');
  const files = globSync('**/*.{service,toml,conf}', { cwd: join(folder, 'systemd') });
  assert.equal(files.length, 6);
  for (const file of files) {
    const kind = file.endsWith('.toml') ? 'toml' : 'ini';
    assert.ok(page.includes(`\`\`\`${kind}\n${read(`systemd/${file}`)}\`\`\``), `not in the page as it is: ${file}`);
  }
});

/** Every flag of a command has to be one that it has. */
function assertFlags(command: string, args: readonly string[]): void {
  const tree = readFileSync(join(folder, '../cli/completion/tree.ndjson'), 'utf8').trim().split('\n');
  const known = tree.map((line) => JSON.parse(line)).find(({ words }) => words === command);
  const names = known.flags.flatMap((flag: { names: string[] }) => flag.names);
  for (const arg of args.filter((one) => one.startsWith('--'))) assert.ok(names.includes(arg), `${command} ${arg}`);
}

/** Sections of a unit: each setting with all that it is given. */
function unit(path: string): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {};
  let section: Record<string, string> = {};
  for (const line of read(path).split('\n')) {
    const [, name] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (name !== undefined) sections[name] = section = sections[name] ?? {};
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined) section[key] = value as string;
  }
  return sections;
}

describe('deploy/nixos/module.nix', { skip: noNixTools }, () => {
  type Service = Readonly<Record<string, unknown>> & { readonly serviceConfig: Record<string, unknown> };
  const evaluate = (user: string) =>
    JSON.parse(
      runNix('nix-instantiate', [
        ...['--eval', '--strict', '--json', fileURLToPath(new URL('nixos-module.nix', import.meta.url))],
        ...['--arg', 'module', join(folder, 'nixos/module.nix'), '--argstr', 'user', user],
      ]).toString(),
    ) as { options: object; services: Record<'drover-coordinator' | 'drover-agent', Service> };
  const inUnit = (value: unknown): string => (value === true ? 'yes' : String(value));
  const settings = ({ serviceConfig }: Service): Record<string, string> => {
    const { ExecStart: _, ...rest } = serviceConfig;
    return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, inUnit(value)]));
  };

  /** @param setting `NAME=value` */
  const variable = (setting = ''): Record<string, string> => {
    const end = setting.indexOf('=');
    return { [setting.slice(0, end)]: setting.slice(end + 1) };
  };

  test('makes the coordinator that the unit is', () => {
    const { options, services } = evaluate('root');
    assert.deepEqual(options, {
      'drover-agent': ['enable', 'package', 'settings', 'tokenFile', 'user'],
      'drover-coordinator': ['enable', 'package', 'settings'],
    });
    const service = services['drover-coordinator'];
    const { ExecStart, Environment, ...expected } = unit('systemd/drover-coordinator.service').Service ?? {};
    assert.deepEqual(settings(service), expected);
    assert.deepEqual(service.environment, variable(Environment));
    assert.match(String(ExecStart), /drover coordinator --config /);
    assert.equal(
      service.serviceConfig.ExecStart,
      `/drover/bin/drover coordinator --config drover.toml: ${JSON.stringify({ data: '/var/lib/drover', listen: '0.0.0.0:8745', 'log-format': 'json' })}`,
    );
  });

  test('makes the agent that the unit is, root’s and another’s', () => {
    const own = unit('systemd/drover-agent.service');
    const user = unit('systemd/drover-agent.service.d/user.conf').Service ?? {};
    const { ExecStart: _, ReadOnlyPaths: __, ...root } = own.Service ?? {};
    const { Environment, SupplementaryGroups: ___, ...others } = user;
    const credential = { LoadCredential: user.LoadCredential as string };
    const asRoot = evaluate('root').services['drover-agent'];
    assert.deepEqual(settings(asRoot), { ...root, ...credential });
    assert.deepEqual(settings(evaluate('drover-agent').services['drover-agent']), { ...root, ...others });
    assert.deepEqual(asRoot.environment, variable(Environment));
    assert.equal((asRoot.after as string[]).join(' '), own.Unit?.After);
  });
});

test(`deploy/guix/gnu/services/drover.scm is evaluated by ${guixName}`, { skip: noGuix }, async () => {
  await using temporary = await temporaryFolder();
  await cp(join(folder, 'guix'), join(temporary.path, 'guix'), { recursive: true });
  const script = join(temporary.path, 'services.scm');
  await cp(fileURLToPath(new URL('guix-services.scm', import.meta.url)), script);
  await using machine = await openGuixMachine();
  const { stdout } = machine.run(['guix', 'repl', '--', script, join(temporary.path, 'guix')]);
  const lines = stdout.toString().trim().split('\n');
  const shown = (start: string): string => lines.find((line) => line.startsWith(`(${start} `)) ?? assert.fail(start);
  assert.match(shown('drover-coordinator account'), /\(account "drover" "\/var\/lib\/drover"\)/);
  assert.match(shown('drover-coordinator activate'), /\(chmod "\/var\/lib\/drover" 448\)/);
  assert.match(shown('drover-coordinator shepherd-root'), /\(user-processes networking\)/);
  assert.match(
    shown('drover-coordinator shepherd-root'),
    /#:resource-limits .*\(nofile 65536 65536\).* #:file-creation-mask 63/,
  );
  assert.match(shown('drover-agent shepherd-root'), /\(user-processes networking guix-daemon\)/);
  assert.match(shown('drover-agent account'), /\(account "drover-agent" "\/var\/lib\/drover-agent"\)/);
  assert.equal(shown('refused'), '(refused #t)');
  for (const command of ['coordinator', 'agent']) {
    const args = [...shown(`drover-${command} shepherd-root`).matchAll(/"([^"]*)"/g)].map(([, text]) => text as string);
    assert.deepEqual(args.slice(0, 2), ['/usr/local/bin/drover', command]);
    assertFlags(command, args);
  }
});
