import { pino } from 'pino';
import { createHookTransport, type HookTransportOptions } from '../../adapters/hooks/transport.ts';
import { noCache } from './no-cache.ts';

/** The transport of hooks as the coordinator has it; silent, and without build logs, unless a test says otherwise. */
export function hookTransport(more: Partial<HookTransportOptions> = {}): ReturnType<typeof createHookTransport> {
  return createHookTransport({
    logger: pino({ level: 'silent' }),
    version: '1',
    storeDir: '/nix/store',
    logs: { size: async () => 0, read: async () => undefined },
    cache: noCache,
    ...more,
  });
}
