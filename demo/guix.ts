import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCommands } from './commands.ts';
import { demoEnvironment } from './environment.ts';
import { type FarmOptions, sandboxPaths, startAgent, startCoordinator } from './farm.ts';
import { substituteArguments } from './fetch.ts';
import { type GuixMachine, guixProblem, makeShell, startGuixMachine } from './guix-machine.ts';
import { openServices } from './services.ts';
import { createWorkspace, removeWorkspace } from './workspace.ts';

export interface GuixDemoOptions {
  readonly say: (line: string) => void;
  /** Ends the demo early. */
  readonly signal: AbortSignal;
}

/**
 * The demo of two worlds: an agent of Guix and one of Nix under one coordinator, and a client of each that fetches what its agent built. Rejects
 * when a step fails or `signal` aborts; nothing runs on then, and no file stays.
 */
export async function runGuixDemo({ say, signal }: GuixDemoOptions): Promise<void> {
  const problem = guixProblem();
  if (problem !== undefined) throw new Error(problem);
  const began = performance.now();
  const workspace = await createWorkspace();
  const services = openServices(workspace);
  try {
    const commands = createCommands(demoEnvironment(workspace), say, AbortSignal.any([signal, services.lost]));
    const options: FarmOptions = { workspace, commands, services, say, store: undefined };

    say(`\nA coordinator for both store directories, below ${workspace.path}:\n`);
    const both = ['--other-store-dirs', '/gnu/store'];
    const coordinator = await startCoordinator(options, both);
    const guixCache = `${coordinator.url}/guix`;

    say('\nTwo machines with a Guix each, whose stores are empty, and which trust the key of the cache:\n');
    const machines = await together(['builder', 'client'].map((name) => startGuixMachine(name, options)));
    const [builder, client] = machines as readonly [GuixMachine, GuixMachine];
    const keyFile = workspace.file('coordinator', 'guix-key.pub');
    const input = await readFile(keyFile);
    await together(
      machines.map((machine) =>
        machine.run(['guix', 'archive', '--authorize'], {
          input,
          shownAs: `[guix ${machine.name}] guix archive --authorize < ${keyFile}`,
        }),
      ),
    );

    say('\nAn agent beside the guix-daemon of the first, and one with a Nix store of its own:\n');
    commands.environment.GUIX_CONFIGURATION_DIRECTORY = builder.configuration;
    const daemon = ['--store-dir', '/gnu/store', '--store', `unix://${builder.socket}`];
    const oak = workspace.file('oak-store');
    await together([
      startAgent(options, coordinator.url, 'alder', daemon),
      startAgent(options, coordinator.url, 'oak', [
        ...['--store', `local?root=${oak}`],
        ...['--sandbox-paths', sandboxPaths.join(',')],
      ]),
    ]);

    say('\nA derivation that the Guix of the client makes (demo/greeting.scm), and one of Nix (demo/greeting.nix):\n');
    await makeShell(join(client.temporary, 'busybox'));
    await copyFile(new URL('greeting.scm', import.meta.url), join(client.temporary, 'greeting.scm'));
    const [made = ''] = await together([
      client.run(['guix', 'repl', '--', '/tmp/greeting.scm', '/tmp/busybox']),
      // An archive is signed, too.
      client.run(['guix', 'archive', '--generate-key']),
    ]);
    const [derivation = '', output = ''] = made.toString().trim().split('\n');
    say(derivation);
    const archive = await client.run(['guix', 'archive', '--export', '-r', derivation], { quiet: true });
    await commands.run('drover', ['submit', '--guix', '-', '--wait'], {
      input: archive,
      shownAs: `[guix client] guix archive --export -r ${derivation} | npx drover submit --guix - --wait`,
    });
    const nix = ['submit', '--expr', 'demo/greeting.nix', '--store-root', workspace.file('evaluation'), '--wait'];
    const [nixOutput = ''] = (await commands.run('drover', nix)).toString().trim().split('\n');
    say((await commands.run('drover', ['builds', 'list'])).toString().trimEnd());

    say(
      "\nWhat the agent of Guix built, by an ordinary Guix from the coordinator's cache, and what Nix built by an ordinary Nix:\n",
    );
    await client.run(['guix', 'build', `--substitute-urls=${guixCache}`, output]);
    say(await read(client.file(output)));
    if (!(await readFile(client.file(output))).equals(await readFile(builder.file(output))))
      throw new Error(`${output}: what was fetched differs from what alder built`);
    const root = workspace.file('third-store');
    const farm = { ...coordinator, agents: [] };
    await commands.run('nix', ['build', '--no-link', ...substituteArguments(farm, root), nixOutput]);
    say(await read(join(root, nixOutput)));
  } catch (error) {
    if (!signal.aborted) say(await services.lastWords());
    throw error;
  } finally {
    await services.stop();
    await removeWorkspace(workspace.path);
  }
  say(`\nDone in ${((performance.now() - began) / 1000).toFixed(1)} s; nothing is left running.`);
}

const read = async (file: string): Promise<string> => `${file}: ${(await readFile(file, 'utf8')).trimEnd()}`;

/** Waits for all, also where one fails: what goes on in the background would not be stopped with the rest. */
async function together<Result>(work: readonly Promise<Result>[]): Promise<readonly Result[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
