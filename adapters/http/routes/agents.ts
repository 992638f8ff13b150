import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError } from '../../../coordinator/errors.ts';
import { identifier, instant, shortText } from '../../../domain/event.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { agentParams, agentStatus } from '../schemas/agents.ts';

/** A month: a token that is to be accepted longer than that is not being replaced. */
const longestOverlapSeconds = 30 * 24 * 3600;
const defaultOverlapSeconds = 3600;
const reason = z.strictObject({ reason: shortText.exactOptional() }).nullish();

export function agentRoutes({ application }: ReadContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/v1/agents',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['agents'],
          operationId: 'addAgent',
          summary: 'Adds an agent; the secret of its token is shown only now.',
          body: z.strictObject({ name: identifier }),
          response: { 201: z.object({ name: z.string(), secret: z.string() }) },
        },
      },
      async (request, reply) => {
        const { name } = request.body;
        const { secret } = await application.addAgent(principalOf(request), name);
        return reply.code(201).send({ name, secret });
      },
    );
    app.get(
      '/v1/agents',
      {
        config: { access: 'read' },
        schema: {
          tags: ['agents'],
          operationId: 'listAgents',
          summary: 'All agents.',
          response: { 200: z.object({ rows: z.array(agentStatus) }) },
        },
      },
      async () => ({ rows: [...application.agents()] }),
    );
    app.get(
      '/v1/agents/:agent',
      {
        config: { access: 'read' },
        schema: {
          tags: ['agents'],
          operationId: 'getAgent',
          summary: 'One agent.',
          params: agentParams,
          response: { 200: agentStatus },
        },
      },
      async (request) => {
        const { agent } = request.params;
        const found = application.agents().find(({ name }) => name === agent);
        if (found === undefined)
          throw new DroverError('unknown-agent', `there is no agent ${agent}; 'drover agents list' names them`);
        return found;
      },
    );
    const steering = {
      pause: 'Gives the agent nothing new.',
      resume: 'Ends a pause, a drain or a quarantine.',
      drain: 'Gives the agent nothing new until it is resumed; what it runs ends first.',
    } as const;
    for (const [wish, summary] of Object.entries(steering) as [keyof typeof steering, string][]) {
      app.post(
        `/v1/agents/:agent/${wish}`,
        {
          config: { access: 'admin' },
          schema: {
            tags: ['agents'],
            operationId: `${wish}Agent`,
            summary,
            params: agentParams,
            body: reason,
            response: { 200: agentStatus },
          },
        },
        (request) => application.steerAgent(principalOf(request), request.params.agent, wish, request.body?.reason),
      );
    }
    app.post(
      '/v1/agents/:agent/rotate-token',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['agents'],
          operationId: 'rotateAgentToken',
          summary: 'Issues a new token for an agent; the one before is revoked after the overlap.',
          params: agentParams,
          body: z.strictObject({
            overlapSeconds: z
              .int()
              .min(0)
              .max(longestOverlapSeconds)
              .describe('How long the one before is still accepted; 0 revokes it at once.')
              .default(defaultOverlapSeconds),
          }),
          response: {
            201: z.object({
              name: z.string(),
              id: z.string(),
              secret: z.string(),
              replaced: z.array(z.string()).readonly(),
              until: instant.exactOptional(),
            }),
          },
        },
      },
      async (request, reply) => {
        const { agent } = request.params;
        const rotated = await application.rotateToken(principalOf(request), agent, request.body);
        return reply.code(201).send({ name: agent, ...rotated });
      },
    );
    app.delete(
      '/v1/agents/:agent',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['agents'],
          operationId: 'removeAgent',
          summary: 'Removes an agent: its builds are released, its token is revoked.',
          params: agentParams,
          querystring: z.strictObject({ reason: shortText.exactOptional() }),
          response: { 200: agentStatus },
        },
      },
      (request) => application.steerAgent(principalOf(request), request.params.agent, 'remove', request.query.reason),
    );
  };
}
