import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { isPrivateAddress } from '../../adapters/hooks/addresses.ts';
import { bareHost } from '../../adapters/hooks/reach.ts';
import { createResolve, type Resolve } from '../../adapters/hooks/resolve.ts';
import { targetProblem } from '../../adapters/hooks/target-problem.ts';
import { type CoordinatorConfig, storeDirsOf } from '../../coordinator/config.ts';
import { declaredHook } from '../../coordinator/hooks/settings.ts';
import type { HookTarget } from '../../domain/hook/target.ts';
import { bad, check, type Finding, type Found, good, warning } from './finding.ts';

const patienceMs = 20_000;

/** The hooks of the configuration: their secrets, programs and folders, and whether their hosts may be called. Nothing is delivered. */
export async function checkHooks(
  config: CoordinatorConfig,
  folders: readonly string[],
  resolveName: Resolve = createResolve(),
): Promise<readonly Finding[]> {
  const found = config.hook.map((hook) =>
    check(`hook ${hook.name}`, async () => {
      const { target } = declaredHook(hook).definition;
      const problem = await targetProblem(target, { folders, storeDirs: storeDirsOf(config) });
      return problem === undefined ? checkTarget(target, resolveName) : bad(problem);
    }),
  );
  return (await Promise.all(found)).flat();
}

async function checkTarget(target: HookTarget, resolveName: Resolve): Promise<Found> {
  switch (target.kind) {
    case 'command':
      return typeof target.run === 'string' ? good('a command of /bin/sh') : checkProgram(target.run[0] as string);
    case 'publish':
    case 'mirror':
      return checkCacheFolder(resolve(target.folder));
    case 'webhook':
    case 'guix-data-service':
      return checkHost(new URL(target.url), target.allowPrivate, resolveName);
    case 'notify': {
      const { webhook, mail } = target;
      if (webhook !== undefined) return checkHost(new URL(webhook.url), webhook.allowPrivate, resolveName);
      if (mail !== undefined) return checkHost(new URL(mail.server), mail.allowPrivate, resolveName);
      return bad('expected webhook or mail, got neither');
    }
  }
}

/** As `spawn` finds it. */
async function checkProgram(program: string): Promise<Found> {
  const places = program.includes('/')
    ? [program]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program));
  for (const place of places)
    if (
      await access(place, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return good(`runs ${place}`);
  return bad(
    `expected the program ${program} to be there and to be executable for this user`,
    'install it, or give its whole path: a service has another PATH than a shell',
  );
}

async function checkCacheFolder(folder: string): Promise<Found> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) return good(`${folder} is not there yet: the first delivery makes it`);
  if (!found.isDirectory()) return bad(`folder: expected a folder at ${folder}, got something else`);
  return access(folder, constants.W_OK).then(
    () => good(`writes to ${folder}`),
    (error: Error) => bad(error.message, 'give the folder to the user that runs the coordinator'),
  );
}

/** Of an address only the host is shown: its path is what lets anybody post there. */
async function checkHost(url: URL, allowPrivate: boolean | undefined, resolveName: Resolve): Promise<Found> {
  const host = bareHost(url.hostname);
  const found = await resolveName(host, AbortSignal.timeout(patienceMs)).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error)
    return warning(
      `the host ${host} is not known: ${found.code ?? found.message}`,
      'check its name, and the DNS of this machine',
    );
  const [first] = found;
  const allowed = allowPrivate === true || found.some(({ address }) => !isPrivateAddress(address));
  if (!allowed)
    return bad(
      `${host} is at ${first?.address}, which is no public address, and the hook does not allow private ones`,
      'set allow-private = true for it, if that is where it is to go',
    );
  return good(`goes to ${host}`);
}
