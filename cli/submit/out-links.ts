import { lstatSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { CliError } from '../output/cli-error.ts';
import type { Progress } from './progress.ts';
import { runNix, storeArguments } from './run-nix.ts';

/** Where links to outputs go, and what they are links to. */
export interface OutLinks {
  /** `--out-link`: the first is this; others have it as their beginning. */
  readonly path: string;
  /** Of each derivation that was asked for, in that order: store paths of outputs, by their names. */
  readonly outputs: readonly Readonly<Record<string, string>>[];
}

export interface OutLinksOptions {
  /** The cache, and a token for it where there is one. */
  readonly cache: { readonly url: string; readonly token: string | undefined };
  readonly storeRoot: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

const neededBy = '--out-link';
/** Paths in one call of a program. */
const pathsPerCall = 500;

/**
 * Names and targets of the links, as nix-build names them: `result`, `result-2` for the second derivation, and `result-2-dev` for its
 * output `dev`. Source: nix-build.cc of Nix 2.8.
 */
export function linkNames({ path, outputs }: OutLinks): readonly (readonly [link: string, target: string])[] {
  return outputs.flatMap((one, index) =>
    Object.entries(one).map(([name, target]) => {
      const number = index === 0 ? '' : `-${index + 1}`;
      return [`${path}${number}${name === 'out' ? '' : `-${name}`}`, target] as const;
    }),
  );
}

/** Refuses a path that no link can be at, before anything is built for it; and a machine without Nix, or with the store of another program. */
export async function checkOutLink(path: string, storeDir: string, signal: AbortSignal): Promise<void> {
  if (storeDir !== '/nix/store')
    throw wrongLink(`--out-link is for stores of Nix at /nix/store, and this coordinator's is at ${storeDir}`);
  const folder = dirname(resolve(path));
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw wrongLink(`--out-link ${path}: there is no folder ${folder}`);
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSymbolicLink())
    throw wrongLink(`--out-link ${path}: expected nothing or a link to be there, got something else`);
  await runNix('nix-store', ['--version'], { signal, onMessage: () => {}, neededBy });
}

/**
 * Fetches outputs from the cache into the store of this machine, whose Nix requires the signature of a key that it trusts, and links to
 * them as `nix-build` does: the links are roots of its garbage collector. Rejects when `signal` aborts.
 */
export async function makeOutLinks(links: OutLinks, options: OutLinksOptions): Promise<void> {
  const { cache, storeRoot, signal, progress } = options;
  const call = { signal, neededBy, onMessage: (text: string) => progress.line(text.trimEnd()) };
  const named = linkNames(links);
  const paths = [...new Set(named.map(([, target]) => target))];
  const folder = await mkdtemp(join(tmpdir(), 'drover-fetch-'));
  try {
    // In a file, as others see the arguments of a process.
    const netrc = join(folder, 'netrc');
    if (cache.token !== undefined) await writeFile(netrc, netrcFor(cache.url, cache.token), { mode: 0o600 });
    progress.begin('fetching outputs', paths.length);
    const to = storeRoot === undefined ? [] : ['--to', `local?root=${resolve(storeRoot)}`];
    for (let at = 0; at < paths.length; at += pathsPerCall) {
      const some = paths.slice(at, at + pathsPerCall);
      const login = cache.token === undefined ? [] : ['--netrc-file', netrc];
      const features = ['--extra-experimental-features', 'nix-command'];
      // What was asked for before it was built is not there, says Nix for an hour; and for 30 days that an item has the hash and the
      // signature that it had before it was deleted and built again, or before the coordinator got another key.
      const fresh = ['negative', 'positive'].flatMap((which) => ['--option', `narinfo-cache-${which}-ttl`, '0']);
      const { code, said } = await runNix(
        'nix',
        [...features, 'copy', ...fresh, ...login, '--from', cache.url, ...to, ...some],
        call,
      );
      if (code !== 0) throw notFetched(code, said);
      progress.update(at + some.length);
    }
    for (const [link, target] of named) {
      const args = ['--realise', target, '--add-root', resolve(link), '--indirect'];
      const { code } = await runNix('nix-store', [...storeArguments(storeRoot), ...args], call);
      if (code !== 0) throw new CliError('not-linked', `nix-store could not make ${link} with exit code ${code}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** For curl, which Nix fetches with: it looks for an IPv6 address without the brackets. */
export function netrcFor(url: string, token: string): string {
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
  return `machine ${host} login drover password ${token}\n`;
}

function notFetched(code: number | null, said: string): CliError {
  const hint = /signature/.test(said)
    ? 'this machine trusts no key of the coordinator: trusted-public-keys in nix.conf has to have what is in cache-key.pub of its data folder'
    : 'the builds have succeeded; what they made is in the cache';
  return new CliError('not-fetched', `nix copy could not fetch the outputs, with exit code ${code}: no link was made`, {
    hint,
  });
}

function wrongLink(message: string): CliError {
  return new CliError('wrong-use', message, { exitCode: 2 });
}
