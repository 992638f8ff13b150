import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.ts';
import { temporaryFolder } from '../support/nix-tools.ts';
import { type NixVersion, nixVersions } from '../support/nix-versions.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The commands under "By hand", terminal by terminal, as they stand in the README. */
function blocks(): string[] {
  const page = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const section = /^## By hand\n(.*?)^## /ms.exec(page)?.[1] ?? '';
  return [...section.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text = '']) => text);
}

/** A shell in the clone, as a terminal of its own; what it prints is heard line by line. */
function terminal(script: string, environment: NodeJS.ProcessEnv) {
  const child = spawn('/bin/bash', ['-euc', script], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let said = '';
  let out = '';
  const listeners = new Set<() => void>();
  const hear = (text: string): void => {
    said += text;
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    hear(text);
  });
  child.stderr.setEncoding('utf8').on('data', hear);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return {
    ended,
    out: () => out,
    said: () => said,
    /** Resolves once something like this was printed; rejects if the shell ends before. */
    async prints(pattern: RegExp): Promise<void> {
      const heard = Promise.withResolvers<void>();
      const listen = (): void => {
        if (pattern.test(said)) heard.resolve();
      };
      listeners.add(listen);
      listen();
      void ended.then((code) => heard.reject(new Error(`ended with ${code} before it printed ${pattern}:\n${said}`)));
      await heard.promise.finally(() => listeners.delete(listen));
    },
    /** Ctrl-C, which every process of the terminal hears. */
    async [Symbol.asyncDispose]() {
      try {
        process.kill(-(child.pid as number), 'SIGINT');
      } catch {
        // It has ended.
      }
      await ended;
    },
  };
}

async function finished(script: string, environment: NodeJS.ProcessEnv): Promise<string> {
  await using shell = terminal(script, environment);
  assert.equal(await shell.ended, 0, shell.said());
  return shell.out();
}

async function byHand(nix: NixVersion): Promise<void> {
  await using folder = await temporaryFolder();
  const port = await freePort();
  // Other folders and another port than a reader's, who may have a farm of this kind up; and where a person reads on, a pattern.
  // That npx finds the command is tried once: it costs as much as the command. With another Nix it is the program that `npm test` has made.
  let isNpxTried = nix.bin !== undefined;
  const { DROVER_TEST_PROGRAM: made = 'cli/bin.js' } = process.env;
  const program = isNpxTried ? made : 'cli/bin.js';
  const drover = (command: string) => {
    if (isNpxTried) return `${process.execPath} ${program}`;
    isNpxTried = true;
    return command;
  };
  const here = (text: string) =>
    text.replaceAll('/tmp/', `${folder.path}/`).replaceAll(':8745', `:${port}`).replaceAll('npx drover', drover);
  const [coordinator = '', agent = '', submit = '', fetch = '', ...more] = blocks().map(here);
  assert.ok(
    fetch.includes('nix-store --realise') && more.length === 0,
    'README.md: expected four blocks under By hand',
  );
  // What Nix remembers of caches is of others, on ports of theirs.
  const own = { XDG_CACHE_HOME: `${folder.path}/cache` };
  const newer = nix.bin === undefined ? own : { ...own, PATH: `${nix.bin}:${process.env.PATH}` };
  const client = { DROVER_URL: `http://127.0.0.1:${port}` };

  await using first = terminal(coordinator, { DROVER_LISTEN: `127.0.0.1:${port}` });
  await first.prints(/listening/);
  await using second = terminal(agent, { ...client, ...newer });
  await second.prints(/linked to the coordinator/);

  const [known, list, log, items] = submit.split(/^(?=\S+ \S+ (?:builds|items) )/m) as [string, string, string, string];
  const session = known.split('\n')[0];
  await finished(known, client);
  const builds = await finished(`${session}\n${list}`, client);
  const build = /^(\S+-1)\s/m.exec(builds)?.[1] ?? assert.fail(builds);
  assert.equal(await finished(`${session}\n${log.replace('BUILD', build)}`, client), 'hello from drover\n');
  const held = await finished(`${session}\n${items}`, client);
  const path = /\S*[0-9a-z]{32}-hello\b/.exec(held)?.[0] ?? assert.fail(held);
  const base = path.slice(path.lastIndexOf('/') + 1);

  const store = `${folder.path}/another-store`;
  await finished(fetch.replace('/nix/store/…-hello', `/nix/store/${base}`), {
    ...newer,
    NIX_REMOTE: `local?root=${store}`,
  });
  assert.equal(readFileSync(`${store}/nix/store/${base}`, 'utf8'), 'hello\n');
}

/** The machine's own and the newest; others have their builds and fetches tried elsewhere. */
const tried = nixVersions.filter((nix, at) => nix.bin === undefined || at === nixVersions.length - 1);
for (const nix of tried)
  test(`the README's steps by hand work as they stand, with ${nix.name}`, { skip: nix.skip }, () => byHand(nix));
