import type { FastifyServerOptions } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';

/**
 * Has schemas of zod for routes. Said when a server is made: one that is to be told later loads what compiles JSON Schema before, a hundred modules.
 * The types of its factories know no schemas but those of JSON.
 */
export const schemaController = {
  compilersFactory: { buildValidator: () => validatorCompiler, buildSerializer: () => serializerCompiler },
} as unknown as NonNullable<FastifyServerOptions['schemaController']>;
