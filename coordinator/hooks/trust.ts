import type { HookDefinition } from '../../domain/hook/definition.ts';

/**
 * Why a hook that is added over the API may not be as it is, `undefined` if it may: who has an admin token is not by that the user that
 * the coordinator runs as.
 */
export function forbiddenByApi(trustsApi: boolean, { target }: HookDefinition): string | undefined {
  if (trustsApi) return undefined;
  const problem = reach(target);
  return (
    problem &&
    `${problem}: that is for hooks of the coordinator's configuration ([[hook]]), unless its setting hooks.trust-api is true`
  );
}

/** What the target would have of the coordinator's machine. A secret of a webhook is none of it: no other file passes for one. */
function reach(target: HookDefinition['target']): string | undefined {
  if (target.kind === 'command') return 'run: a hook that is added over the API may not run commands';
  if ('folder' in target) return 'folder: a hook that is added over the API may not write files of the coordinator';
  const { mail, webhook } = target.kind === 'notify' ? target : {};
  const file = target.kind === 'guix-data-service' ? 'token-file' : mail?.passwordFile && 'password-file';
  if (file) return `${file}: a hook that is added over the API may not send what is in files of the coordinator`;
  const place = target.kind === 'notify' ? (mail ?? webhook) : target;
  return place?.allowPrivate === true
    ? 'allow-private: a hook that is added over the API may not call private addresses'
    : undefined;
}
