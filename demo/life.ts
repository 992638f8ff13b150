/**
 * What goes on in a farm that is left up, as a program of its own: `node demo/life.ts FOLDER [--attended]`. With `--attended` it ends the farm, and
 * removes its folder, when its standard input ends: what was to do that is no more.
 */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Submitted } from '../cli/submit/submit.ts';
import { createDrover } from '../client/index.ts';
import { type Commands, createCommands } from './commands.ts';
import { pauseAfter, planOf } from './gazette.ts';
import { stopKept } from './keep.ts';
import { openReaders } from './readers.ts';
import { type Workspace, workspaceAt } from './workspace.ts';

const say = (line: string) => void process.stdout.write(`${line}\n`);
const hook = 'readers';

/** Has one number after another built until `commands.signal` aborts. What goes wrong is said, and the next one comes all the same. */
async function live(commands: Commands, workspace: Workspace): Promise<void> {
  const { signal } = commands;
  const { DROVER_URL: url = '', DROVER_TOKEN_FILE: tokenFile = '' } = commands.environment;
  const drover = createDrover({ url, token: (await readFile(tokenFile, 'utf8')).trim() });
  await using readers = await openReaders();
  const target = ['--webhook', readers.url, '--allow-private', '--concurrency', '1'];
  await commands.run('drover', ['hooks', 'add', hook, '--on', 'BuildSucceeded', '--on', 'BuildFailed', ...target]);
  /** Of the numbers for which something is still to be done. */
  const submissions = new Map<number, string>();

  async function act(number: number): Promise<void> {
    const plan = planOf(number);
    readers.shut = plan.shut;
    const what = ['--argstr', 'number', String(number), '--arg', 'ink', `${plan.ink}`, '--arg', 'far', `${plan.far}`];
    const args = ['submit', '--expr', 'demo/gazette.nix', ...what, '--store-root', workspace.file('evaluation')];
    const answer = await commands.run('drover', [
      ...[...args, '--max-attempts', '2'],
      ...['--tag', `number=${number}`, '--json'],
    ]);
    const { submission } = JSON.parse(answer.toString()) as Submitted;
    if (!plan.ink || plan.far) submissions.set(number, submission);
    say(`number ${number} is under way`);

    const take = (earlier: number | undefined): string | undefined => {
      const id = earlier === undefined ? undefined : submissions.get(earlier);
      if (earlier !== undefined) submissions.delete(earlier);
      return id;
    };
    const mended = take(plan.mended);
    if (mended !== undefined) {
      await writeFile(workspace.file('press', `ink-${plan.mended}`), '');
      await drover.retrySubmission({ submission: mended });
    }
    const withdrawn = take(plan.withdrawn);
    if (withdrawn !== undefined)
      await drover.cancelSubmission({ submission: withdrawn, reason: 'nobody waits for the far edition' });
  }

  for (let number = 1; !signal.aborted; number++) {
    await act(number).catch((error: unknown) => {
      if (!signal.aborted) say(`number ${number}: ${(error as Error).message}`);
    });
    await sleep(pauseAfter(number), undefined, { signal }).catch(() => {});
  }
}

const [folder = '', attended] = process.argv.slice(2);
const end = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => end.abort());
let isAlone = false;
if (attended === '--attended')
  process.stdin
    .on('end', () => {
      isAlone = true;
      end.abort();
    })
    .on('error', () => {})
    .resume();

const workspace = workspaceAt(folder);
try {
  await live(createCommands(process.env, say, end.signal), workspace);
} catch (error) {
  if (!end.signal.aborted) say(`nothing goes on: ${(error as Error).message}`);
  if (attended === '--attended' && !end.signal.aborted) await once(end.signal, 'abort');
}
if (isAlone) await stopKept(folder, say);
// Nothing is waited for that may still be open, like the standard input.
process.exit();
