// Brings in the types of WebSocket routes.
import type {} from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import { DroverError } from '../../../coordinator/errors.ts';
import type { AgentLinkServer } from '../../agent-link/server.ts';

/** Where agents open their links. The plugin `@fastify/websocket` has to be registered before. */
export function addAgentLinkRoute(app: FastifyInstance, server: AgentLinkServer): void {
  app.route({
    method: 'GET',
    url: '/v1/agent-link',
    config: { access: 'agent' },
    schema: { hide: true },
    handler: async () => {
      throw new DroverError('invalid-request', 'expected a WebSocket upgrade, got a plain request');
    },
    wsHandler: (socket, request) => {
      const agent = request.principal?.agent;
      if (agent === undefined) socket.close(1008, 'expected the token of an agent');
      else server.accept(socket, agent);
    },
  });
}
