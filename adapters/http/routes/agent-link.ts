import type { IncomingMessage } from 'node:http';
// Brings in the types of WebSocket routes.
import type {} from '@fastify/websocket';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { DroverError } from '../../../coordinator/errors.ts';
import type { AgentLinkServer } from '../../agent-link/server.ts';
import type { TokenUseRegistry } from '../token-uses.ts';

const path = '/v1/agent-link';

/**
 * Whether a request that offers an upgrade is answered as one. All others are answered as if they had none, as RFC 9110 (section 7.8) lets a
 * server do: clients offer HTTP/2 (`h2c`) to every server. Node before 24.9 does not ask, and has each refused that is no WebSocket.
 */
export function wantsAgentLink({ headers, url = '' }: Pick<IncomingMessage, 'headers' | 'url'>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' && (url === path || url.startsWith(`${path}?`));
}

/**
 * What goes wrong with a WebSocket. That a peer breaks its protocol, `ws` answers with a close that says so, and the link tells: to end the
 * connection here could keep that from the peer. All else is not expected.
 */
export function onSocketError(
  error: Error & { readonly code?: unknown },
  socket: WebSocket,
  { log }: FastifyRequest,
): void {
  if (String(error.code).startsWith('WS_ERR_')) return;
  log.error({ err: error }, 'an agent link failed');
  socket.terminate();
}

/** Where agents open their links. The plugin `@fastify/websocket` has to be registered before. */
export function addAgentLinkRoute(
  app: FastifyInstance,
  server: AgentLinkServer,
  tokenUses: Pick<TokenUseRegistry, 'begin'>,
): void {
  app.route({
    method: 'GET',
    url: path,
    config: { access: 'agent' },
    schema: { hide: true },
    handler: async () => {
      throw new DroverError(
        'upgrade-missing',
        'expected a WebSocket (Connection: upgrade, Upgrade: websocket), got a plain request; a proxy on the way may have left that out',
      );
    },
    wsHandler: (socket, request) => {
      const { principal } = request;
      // From here on the link is what the token holds open: unlike a request it can be told why it ends.
      request.tokenUse?.[Symbol.dispose]();
      if (principal?.agent === undefined) {
        socket.close(1008, 'expected the token of an agent');
        return;
      }
      const link = server.accept(socket, principal.agent, request.ip);
      const use = tokenUses.begin(principal.id, () =>
        link?.refuse({ code: 'token-unknown', message: 'the token of this link was revoked', fatal: true }),
      );
      socket.once('close', () => use[Symbol.dispose]());
    },
  });
}
