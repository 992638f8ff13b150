import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { guixStoreDir } from '../../../../domain/guix/store-dir.ts';
import type { HttpContext } from '../../context.ts';
import { pageHeaders } from '../../dashboard/page-headers.ts';
import type { CachePlugin } from '../cache-roots.ts';

/** What the cache for Guix is, for people. */
export const guixPage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Substitutes for Guix</title></head>
<body>
<h1>Substitutes for Guix</h1>
<p>This is a substitute server of Drover. Who trusts it authorises its <a href="signing-key.pub">signing key</a>, as root:</p>
<pre>guix archive --authorize &lt; signing-key.pub</pre>
<p>and names its address to the daemon, or to a command:</p>
<pre>guix build --substitute-urls=ADDRESS PACKAGE</pre>
</body>
</html>
`;
const answer = (description: string, type: string) => ({ description, content: { [type]: { schema: z.any() } } });

/** `/signing-key.pub`, and a page for people, at the root of the cache for Guix. */
export function guixPages({ guix, dashboard }: HttpContext): CachePlugin {
  return ({ storeDir, prefix }): FastifyPluginAsyncZod =>
    async (app) => {
      if (guix === undefined || storeDir !== guixStoreDir) return;
      app.route({
        method: ['GET', 'HEAD'],
        url: '/signing-key.pub',
        config: { access: 'cache' },
        schema: {
          tags: ['cache'],
          operationId: 'getGuixSigningKey',
          summary: 'The public key that narinfos are signed with for Guix, as guix archive --authorize takes it.',
          response: { 200: answer('The key.', 'text/plain') },
        },
        handler: async (_request, reply) => reply.type('text/plain; charset=utf-8').send(`${guix.publicKey}\n`),
      });
      for (const [url, operationId] of [
        ['/', 'getGuixIndex'],
        ['/index.html', 'getGuixIndexPage'],
      ] as const) {
        // There it is the dashboard's for browsers (dashboard/pages.ts).
        if (prefix === '' && url === '/' && dashboard !== undefined) continue;
        app.route({
          method: ['GET', 'HEAD'],
          url,
          config: { access: 'cache' },
          schema: {
            tags: ['cache'],
            operationId,
            summary: 'What the cache for Guix is, for people.',
            response: { 200: answer('A page.', 'text/html') },
          },
          handler: async (_request, reply) =>
            reply.headers(pageHeaders).type('text/html; charset=utf-8').send(guixPage),
        });
      }
    };
}
