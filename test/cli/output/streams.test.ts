import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { it } from 'node:test';
import { wantsColour } from '../../../cli/output/colour.ts';

it('wantsColour follows flags before FORCE_COLOR before NO_COLOR before the terminal', () => {
  for (const [argv, environment, terminal, expected] of [
    [[], {}, true, true],
    [[], {}, false, false],
    [[], { TERM: 'dumb' }, true, false],
    [[], { NO_COLOR: '1' }, true, false],
    [[], { NO_COLOR: '' }, true, true],
    [[], { FORCE_COLOR: '1', NO_COLOR: '1' }, false, true],
    [[], { FORCE_COLOR: '0' }, true, false],
    [['--no-color'], { FORCE_COLOR: '1' }, true, false],
    [['--color'], { NO_COLOR: '1' }, false, true],
    [['--color', 'status', '--no-color'], {}, true, false],
    [['--', '--color'], {}, false, false],
  ] as const)
    assert.equal(wantsColour(argv, environment, terminal), expected, JSON.stringify([argv, environment, terminal]));
});

/** A process that prints more than fits into a pipe, as the command line would, and then sets an exit code of its own. */
function printing(stdout: 'pipe' | number) {
  const source = `
    import { endWithOutput } from './cli/output/broken-output.ts';
    endWithOutput(process);
    process.stdout.write('x'.repeat(1 << 20));
    process.exitCode = 0;`;
  const argv = ['--input-type=module', '-e', source];
  const root = new URL('../../../', import.meta.url);
  return spawn(process.execPath, argv, { cwd: root, stdio: ['ignore', stdout, 'pipe'] });
}

async function endOf(child: ReturnType<typeof printing>) {
  let err = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [code] = await once(child, 'close');
  return { code, err };
}

it('output that nobody reads any more ends the process quietly', async () => {
  const child = printing('pipe');
  child.stdout?.destroy();
  assert.deepEqual(await endOf(child), { code: 0, err: '' });
});

it('output that has no room is said in a sentence', {
  skip: !existsSync('/dev/full') && 'there is no /dev/full here',
}, async () => {
  const { code, err } = await endOf(printing(openSync('/dev/full', 'w')));
  assert.equal(code, 1);
  assert.match(err, /^drover: standard output cannot be written, so it is not whole: .*\(ENOSPC\)\n$/);
});
