import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CliError } from '../output/cli-error.ts';
import { itemsPerCall, type NamedLinks, type OutLinksOptions } from './link-names.ts';
import { runNix, storeArguments } from './run-nix.ts';

const neededBy = '--out-link';

/** Refuses a machine without Nix. */
export async function checkNixStore(signal: AbortSignal): Promise<void> {
  await runNix('nix-store', ['--version'], { signal, onMessage: () => {}, neededBy });
}

/** Fetches outputs from the cache into a store of Nix, and makes links to them that are roots of its garbage collector. */
export async function linkByNix(
  named: NamedLinks,
  { cache, storeRoot, signal, progress }: OutLinksOptions,
): Promise<void> {
  const call = { signal, neededBy, onMessage: (text: string) => progress.line(text.trimEnd()) };
  const paths = [...new Set(named.map(([, target]) => target))];
  const folder = await mkdtemp(join(tmpdir(), 'drover-fetch-'));
  try {
    // In a file, as others see the arguments of a process.
    const netrc = join(folder, 'netrc');
    if (cache.token !== undefined) await writeFile(netrc, netrcFor(cache.url, cache.token), { mode: 0o600 });
    progress.begin('fetching outputs', paths.length);
    const to = storeRoot === undefined ? [] : ['--to', `local?root=${resolve(storeRoot)}`];
    for (let at = 0; at < paths.length; at += itemsPerCall) {
      const some = paths.slice(at, at + itemsPerCall);
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
