import type { HookDefinition } from '../../domain/hook/definition.ts';

/**
 * Why a hook that is added over the API may not be as it is, `undefined` if it may: who has an admin token is not by that the user that
 * the coordinator runs as.
 */
export function forbiddenByApi(trustsApi: boolean, { target }: HookDefinition): string | undefined {
  if (trustsApi) return undefined;
  const how =
    "that is for hooks of the coordinator's configuration ([[hook]]), unless its setting hooks.trust-api is true";
  if (target.kind === 'command') return `run: a hook that is added over the API may not run commands: ${how}`;
  return target.allowPrivate === true
    ? `allow-private: a hook that is added over the API may not call private addresses: ${how}`
    : undefined;
}
