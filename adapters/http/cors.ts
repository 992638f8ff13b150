import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { aheadHeader, behindHeader } from './fresh-views.ts';

/**
 * Lets pages of these origins call the API from a browser, `*` any page. A browser is never told to send them its cookie or
 * what it knows of Basic, and what it sends unasked does nothing (`foreign-page`): a page can do what the token allows that it has. Has to be added before the checks of routes: a preflight has no token.
 * Source: Fetch standard, section 3.3 (CORS protocol).
 */
export async function addCors(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(cors, {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: [aheadHeader, behindHeader, 'etag', 'retry-after', 'upload-offset', 'x-request-id'],
    // Seconds; what browsers take at most is less for some.
    maxAge: 3600,
  });
}
