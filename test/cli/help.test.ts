import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { allCommands } from '../../cli/commands/all.ts';
import { processIo } from '../../cli/output/io.ts';
import { buildProgram } from '../../cli/program.ts';
import { temporaryFolder } from '../support/nix-tools.ts';
import { exampleLines, walk } from './support/example-lines.ts';
import { run } from './support/run-cli.ts';

const everyCommand = await allCommands();

const root = fileURLToPath(new URL('../..', import.meta.url));

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
  'builds defer',
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
  'gc',
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
  'import',
  'import guix-build-coordinator',
  'import nars',
  'items',
  'items delete',
  'items list',
  'items show',
  'items verify',
  'items why',
  'keys',
  'keys export',
  'keys generate',
  'keys import',
  'keys list',
  'log',
  'log accept',
  'log copy',
  'log export',
  'log pack',
  'log reindex',
  'log snapshot',
  'login',
  'mirror',
  'push',
  'replay',
  'roots',
  'roots add',
  'roots list',
  'roots remove',
  'roots show',
  'status',
  'submissions',
  'submissions cancel',
  'submissions list',
  'submissions prioritize',
  'submissions resume',
  'submissions retry',
  'submissions show',
  'submissions watch',
  'submit',
  'tokens',
  'tokens create',
  'tokens list',
  'tokens revoke',
  'upstreams',
  'upstreams check',
  'upstreams list',
  'upstreams show',
  'views',
  'views rebuild',
  'views verify',
];

const program = buildProgram({ io: processIo(), exitCode: 0 }, everyCommand);
const all = walk(program);

describe('the command line', () => {
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
        /^((doctor )?(coordinator|agent)|completion|config.*|context.*|login|log (accept|copy|export|pack|reindex|snapshot)|views verify|keys .*)$/.test(
          name,
        ) || command.commands.length > 0;
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
    const help = await run(['roots', 'add', 'nightly', 'x.drv', '--keep', '30d']);
    assert.equal(help.err, "error: unknown option '--keep'\n(--help says more)\n", 'the help is named already');
    const event = await run(['hooks', 'skip', 'ci', '--event', 'nope@1']);
    assert.equal(event.code, 2);
    assert.match(event.err, /'--event <id>' .* Expected the id of an event, like build-[^ ]+@4, got "nope@1"/);
    const like = await run(['agents', 'reboot', 'worker-1']);
    assert.doesNotMatch(like.err, /remove/, 'no guess ends something for good');
    assert.match((await run(['agents', 'remov', 'worker-1'])).err, /Did you mean remove\?/);
    assert.match((await run(['doctor', 'agnt'])).err, /expected client, agent or coordinator after doctor, got agnt/);
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

describe('a start of the command line', () => {
  it('names all commands in its help as they name themselves', async () => {
    let said = '';
    const io = { ...processIo(), out: (text: string) => (said += text) };
    assert.throws(() => buildProgram({ io, exitCode: 0 }, everyCommand).parse(['--help'], { from: 'user' }));
    assert.equal((await run(['--help'])).out, said);
  });

  it('loads what its command needs alone, as that is most of the time that a short one takes', () => {
    const loaded = (argv: readonly string[]) => {
      const hooks =
        "import { registerHooks } from 'node:module'; registerHooks({ load: (url, context, next) => (console.error(url), next(url, context)) })";
      const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
      const { status, stderr } = spawnSync(
        process.execPath,
        ['--import', `data:text/javascript,${hooks}`, main, ...argv],
        { encoding: 'utf8' },
      );
      assert.equal(status, 0, stderr);
      return stderr.split('\n');
    };
    const commands = loaded(['--help']).filter((file) => /cli\/commands\//.test(file));
    assert.deepEqual(commands.map((file) => basename(file)).sort(), ['all.ts', 'named.ts']);
    const heavy = ['node_modules/zod/', 'node_modules/pino/', 'node_modules/smol-toml/', 'cli/commands/agent.ts'];
    for (const name of ['status', 'submit', 'builds']) {
      const files = loaded([name, '--help']);
      assert.deepEqual(
        heavy.filter((part) => files.some((file) => file.includes(part))),
        [],
        name,
      );
    }
  });
});

/** Says of a command line the words of the command whose action is called; throws what commander has against it. */
function parser(): (argv: readonly string[]) => string {
  let reached = '';
  let said = '';
  const program = buildProgram(
    { io: { ...processIo(), out: () => {}, err: (text) => (said += text) }, exitCode: 0 },
    everyCommand,
  );
  for (const [name, command] of walk(program))
    if (command.commands.length === 0)
      command.action(() => {
        reached = name;
      });
  return (argv) => {
    [reached, said] = ['', ''];
    try {
      program.parse([...argv], { from: 'user' });
    } catch {
      throw new Error(said);
    }
    return reached;
  };
}

describe('what is printed to be typed', () => {
  const actionOf = parser();

  it('are examples that a shell makes a line of its command of, with flags and values that it takes', async () => {
    await using folder = await temporaryFolder();
    const examples = exampleLines(program, folder.path);
    assert.ok(examples.length > 100);
    for (const { name, line, argv } of examples) {
      const action = actionOf(argv);
      assert.ok(action !== '' && `${action} `.startsWith(name === '' ? '' : `${name} `), `${line}: ${action}`);
    }
  });

  it('are hints that name commands there are, with flags and as many arguments as they take', () => {
    const files = globSync(['{cli,coordinator,projections,agent,adapters,domain}/**/*.ts', 'docs/[!c]*.md'], {
      cwd: root,
    });
    const where = new Map<string, string>();
    for (const file of files) for (const hint of hintsIn(readFileSync(join(root, file), 'utf8'))) where.set(hint, file);
    assert.ok(where.size > 80, `${where.size}`);
    const wrong = [...where].flatMap(([hint, file]) => {
      const problem = problemOf(hint);
      return problem === undefined ? [] : [`${file}: drover ${hint}: ${problem}`];
    });
    assert.deepEqual(wrong, []);
    assert.match(problemOf('builds retri X') ?? '', /unknown command/);
    assert.match(problemOf('agents resume --now') ?? '', /unknown option/);
    assert.match(problemOf('agents resume X X') ?? '', /too many arguments/);
  });

  /** The command lines in texts of a source, what is filled in as X: the words of a command, then flags with their values, and arguments, which are in capitals. */
  function hintsIn(source: string): string[] {
    let text = source;
    for (let before = ''; before !== text; ) {
      before = text;
      text = text.replaceAll(/\$\{[^{}`]*\}/g, 'X');
    }
    return Array.from(text.matchAll(/(?<=['"`\s(])drover ([a-z][^'"`\\\n]*)/g), ([, rest = '']) => typed(rest)).filter(
      (hint) => !/^(on|password|drover)\b/.test(hint), // A user and a machine of that name.
    );
  }

  function typed(prose: string): string {
    const words = prose.split(' ');
    const kept: string[] = [];
    let command: Command = program;
    for (let word = words.shift(); word !== undefined; word = words.shift()) {
      const [, bare = '', end = ''] = /^(.*?)([.,;:!?)…]*)$/.exec(word) as RegExpExecArray;
      const child = command.commands.find((one) => one.name() === bare);
      const option = command.options.find((one) => one.long === bare || one.short === bare);
      if (bare === '#') break;
      // The first word is of a command in any case, and so is the one after the name of a group.
      if (child === undefined && command.commands.length === 0 && !/^(-.*|\d+|[A-Z]+)$/.test(bare)) break;
      if (bare !== '') kept.push(bare);
      if (end !== '' || (child === undefined && command === program)) break;
      if (option?.required && words.length > 0) kept.push(words.shift() as string);
      command = child ?? command;
    }
    return kept.join(' ');
  }

  function problemOf(hint: string): string | undefined {
    const words = hint.split(' ');
    // A command may be named without all that it takes, and so may a flag of it.
    const first = words.findIndex((word) => /^(-|\d|[A-Z])/.test(word));
    const path = first < 0 ? words : words.slice(0, first);
    const named = all.find(([name]) => name === path.join(' '))?.[1];
    const rest = words.slice(path.length);
    if (named?.commands.length && rest[0] === 'X') return undefined;
    if (named && rest.every((word) => word === '--help' || named.options.some(({ long }) => long === word)))
      return undefined;
    if (named?.options.some((option) => option.required && option.long === words.at(-1))) words.push('1');
    try {
      const filled = words.map((word, index) =>
        words[index - 1] === '--event' ? 'build-1@0' : word === 'N' || words[index - 1] === '--attempt' ? '1' : word,
      );
      return actionOf(filled) === '' ? 'expected a command' : undefined;
    } catch (error) {
      return (error as Error).message.split('\n')[0];
    }
  }
});
