import { resolve, sep } from 'node:path';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import type { CacheFolderSettings, HookTarget } from '../../domain/hook/target.ts';
import { mailProblem } from './mail.ts';
import { addressProblem } from './reach.ts';
import { webhookProblem } from './signed-post.ts';
import { readSecretLine } from './small-file.ts';

/** What a coordinator has of the machine. */
export interface CoordinatorPlaces {
  /** Folders that no hook may write to. */
  readonly folders: readonly string[];
  readonly storeDirs: readonly string[];
}

/**
 * Why nothing can be delivered to a target, where that is known without asking anybody.
 *
 */
export async function targetProblem(target: HookTarget, own: CoordinatorPlaces): Promise<string | undefined> {
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
      return folderProblem(target, own);
  }
}

/** Why a folder cannot be written to. */
export function folderProblem(
  { folder, layout }: CacheFolderSettings,
  { folders, storeDirs }: CoordinatorPlaces,
): string | undefined {
  if (layout === 'guix-publish' && !storeDirs.includes(guixStoreDir))
    return `layout: expected a coordinator with ${guixStoreDir} for guix-publish, got one with ${storeDirs.join(' and ')}`;
  const path = resolve(folder);
  const own = folders.find((one) => isWithin(path, resolve(one)) || isWithin(resolve(one), path));
  return own && `folder: expected one apart from the coordinator's own ${own}, got ${folder}`;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}
