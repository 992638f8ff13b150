import type { Logger } from 'pino';
import type { HookTransport } from '../../coordinator/ports/hook-transport.ts';
import type { HookTarget, HookTargetKind } from '../../domain/hook/target.ts';
import { createCacheFolderTransport, type OwnCache } from './cache-folder.ts';
import { createCommandTransport } from './command.ts';
import { createGuixDataServiceTransport } from './guix-data-service.ts';
import type { HookKind } from './kind.ts';
import { createNotifyTransport, type NotifyOptions } from './notify.ts';
import { createResolve } from './resolve.ts';
import { targetProblem } from './target-problem.ts';
import { createWebhookTransport } from './webhook.ts';

export interface HookTransportOptions extends Omit<NotifyOptions, 'resolve'> {
  readonly logger: Logger;
  readonly version: string;
  /** Of the store that builds are for, like `/gnu/store`. */
  readonly storeDir: string;
  readonly cache: OwnCache;
}

/** Carries events to hooks of every kind. */
export function createHookTransport(given: HookTransportOptions): HookTransport & AsyncDisposable {
  const options = { ...given, resolve: createResolve() };
  const folders = createCacheFolderTransport(options.cache, options.logger);
  const kinds: { readonly [Kind in HookTargetKind]: HookKind<Kind> } = {
    command: createCommandTransport(options),
    webhook: createWebhookTransport(options),
    notify: createNotifyTransport(options),
    'guix-data-service': createGuixDataServiceTransport(options),
    publish: folders,
    mirror: folders,
  };
  // That a kind gets only what is its own is clear from the target's `kind`; the compiler cannot follow it through the table.
  const kindOf = ({ kind }: HookTarget) => kinds[kind] as unknown as Pick<HookTransport, 'deliver'>;
  return {
    deliver: (delivery, signal) => kindOf(delivery.target).deliver(delivery, signal),
    check: (target) => targetProblem(target, options.cache),
    release(target) {
      if ('folder' in target) folders.release(target.folder);
    },
    [Symbol.asyncDispose]: () => folders[Symbol.asyncDispose](),
  };
}
