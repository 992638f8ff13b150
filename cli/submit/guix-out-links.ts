import { rename, rm, symlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openGuixBuilder } from '../../adapters/builder/guix/guix-builder.ts';
import { checkSubstitutes } from '../../adapters/builder/guix/trusted-keys.ts';
import { isBuilderError } from '../../agent/ports/builder.ts';
import { CliError } from '../output/cli-error.ts';
import { itemsPerCall, type NamedLinks, type OutLinksOptions } from './link-names.ts';

/** Rejects where the guix-daemon of this machine cannot be reached, or would take nothing from the cache at `url`. */
export async function checkGuixStore(url: string, signal: AbortSignal): Promise<void> {
  await using builder = openBuilder(url);
  await builder.describe().catch((error: Error) => {
    throw new CliError('no-guix', error.message, {
      hint: '--out-link needs a guix-daemon on this machine, at GUIX_DAEMON_SOCKET or in /var/guix',
      cause: error,
    });
  });
  await checkSubstitutes(url, signal).catch((error: Error) => {
    signal.throwIfAborted();
    throw new CliError('not-fetched', error.message, {
      hint: 'without --out-link it is built and kept in the cache, where this machine can have it later',
      cause: error,
    });
  });
}

/** Has the guix-daemon of this machine fetch outputs from the cache, and makes links to them that are roots of its garbage collector. */
export async function linkByGuix(named: NamedLinks, { cache, signal, progress }: OutLinksOptions): Promise<void> {
  const paths = [...new Set(named.map(([, target]) => target))];
  await using builder = openBuilder(cache.url);
  await using session = await builder.open(signal);
  try {
    // No collection takes them before there are links.
    await session.hold(paths);
    progress.begin('fetching outputs', paths.length);
    for (let at = 0; at < paths.length; at += itemsPerCall) {
      const some = paths.slice(at, at + itemsPerCall);
      await builder.intake.substitute(some, signal);
      progress.update(at + some.length);
    }
    for (const [link, target] of named) {
      await replaceLink(target, resolve(link));
      await builder.addRoot(resolve(link), signal);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!isBuilderError(error)) throw error;
    throw new CliError('not-fetched', error.message, {
      hint: 'the builds have succeeded; what they made is in the cache',
      cause: error,
    });
  }
}

const openBuilder = (url: string) => openGuixBuilder({ store: 'daemon', substituteUrls: async () => [url] });

/** A link that is there is another one at once: a collection meanwhile finds one of the two. */
async function replaceLink(target: string, link: string): Promise<void> {
  const made = `${link}.tmp-${process.pid}`;
  try {
    await symlink(target, made);
    await rename(made, link);
  } catch (error) {
    await rm(made, { force: true });
    throw new CliError('not-linked', `cannot make ${link}: ${(error as Error).message}`, { cause: error });
  }
}
