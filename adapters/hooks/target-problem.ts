import { resolve, sep } from 'node:path';
import type { HookTarget } from '../../domain/hook/target.ts';
import { mailProblem } from './mail.ts';
import { addressProblem } from './reach.ts';
import { webhookProblem } from './signed-post.ts';
import { readSecretLine } from './small-file.ts';

/**
 * Why nothing can be delivered to a target, where that is known without asking anybody.
 *
 * @param ownFolders folders of the coordinator that no hook may write to.
 */
export async function targetProblem(target: HookTarget, ownFolders: readonly string[]): Promise<string | undefined> {
  switch (target.kind) {
    case 'command':
      return undefined;
    case 'webhook':
      return webhookProblem(target);
    case 'notify':
      return target.webhook ? webhookProblem(target.webhook) : target.mail && mailProblem(target.mail);
    case 'guix-data-service':
      return (
        addressProblem(new URL(target.url), target.allowPrivate) ??
        readSecretLine('token file', target.tokenFile).then(
          () => undefined,
          (error: Error) => error.message,
        )
      );
    case 'publish':
    case 'mirror':
      return folderProblem(target.folder, ownFolders);
  }
}

/** Why a folder cannot be written to. */
export function folderProblem(folder: string, ownFolders: readonly string[]): string | undefined {
  const path = resolve(folder);
  const own = ownFolders.find((one) => isWithin(path, resolve(one)) || isWithin(resolve(one), path));
  return own && `folder: expected one apart from the coordinator's own ${own}, got ${folder}`;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}
