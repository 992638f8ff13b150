import type { Logger } from 'pino';
import type { HookTransport } from '../../coordinator/ports/hook-transport.ts';
import { createCommandTransport } from './command.ts';
import { createWebhookTransport } from './webhook.ts';

/** Carries events to hooks of every kind. */
export function createHookTransport(options: { readonly logger: Logger; readonly version: string }): HookTransport {
  const command = createCommandTransport(options);
  const webhook = createWebhookTransport(options);
  return {
    deliver({ target, ...rest }, signal) {
      return target.kind === 'command'
        ? command.deliver({ target, ...rest }, signal)
        : webhook.deliver({ target, ...rest }, signal);
    },
    check: async (target) => (target.kind === 'command' ? command.check(target) : webhook.check(target)),
  };
}
