import * as z from 'zod';
import { identifier } from '../../domain/event.ts';
import { parsePublicKey } from '../../domain/store/signature.ts';
import { withCamelKeys } from '../table-keys.ts';

const seconds = (fallback: number, description: string) =>
  z.int().min(1).max(31_536_000).default(fallback).describe(description);

function isCacheUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') return false;
  if (url.protocol === 'file:') return url.host === '' && url.pathname !== '/';
  return url.protocol === 'http:' || url.protocol === 'https:';
}

function isPublicKey(text: string): boolean {
  try {
    return parsePublicKey(text) !== undefined;
  } catch {
    return false;
  }
}

const upstreamTable = z.strictObject({
  name: identifier.describe('Name of the upstream, in events, lists and metrics.'),
  url: z
    .string()
    .max(1024)
    .refine(isCacheUrl, 'expected an http or https URL, or file:///FOLDER, without a user, a query or a fragment')
    .describe('Where the cache is: http or https, or file:///FOLDER for one that the coordinator can read.'),
  publicKeys: z
    .array(z.string().refine(isPublicKey, 'expected a public key, NAME:BASE64, as in trusted-public-keys'))
    .min(1)
    .max(20)
    .describe('Its public keys, as in trusted-public-keys of Nix. What none of them has signed does not count.'),
  priority: z
    .int()
    .min(0)
    .max(1000)
    .default(50)
    .describe('Of several upstreams, the one with the lowest number is asked first.'),
  mode: z
    .enum(['proxy', 'direct'])
    .default('proxy')
    .describe(
      'How agents get what it has: through the coordinator, or `direct`, themselves, and through the coordinator where that fails. What needs headers-file, or is a folder, always comes through the coordinator.',
    ),
  ttlSeconds: seconds(86_400, 'For how long it is believed to have what it has; then it is asked again.'),
  negativeTtlSeconds: seconds(600, 'For how long it is believed not to have what it has not.'),
  timeoutSeconds: seconds(10, 'For how long one answer is waited for, and for the next byte of a NAR.'),
  checkSeconds: seconds(
    60,
    'For how long a submission waits for answers of upstreams: what is not answered by then is built.',
  ),
  connections: z
    .int()
    .min(1)
    .max(256)
    .default(32)
    .describe('Requests to it at a time: so many for narinfos, and as many for NARs.'),
  allowPrivate: z
    .boolean()
    .default(false)
    .describe('Whether it may send on to private addresses other than its own, by redirects or in narinfos.'),
  headersFile: z
    .string()
    .min(1)
    .exactOptional()
    .describe('File with headers for it, one a line as "name: value": where it wants a token.'),
});
/** `[[upstream]]`: another binary cache, whose substitutes count as available. */
export const upstreamSettings = z.preprocess((value) => withCamelKeys(value), upstreamTable);
export type UpstreamSettings = z.infer<typeof upstreamSettings>;

/** Whether agents fetch from it themselves: they have neither its headers nor the coordinator's folders. */
export function isDirect({ mode, url, headersFile }: UpstreamSettings): boolean {
  return mode === 'direct' && headersFile === undefined && !url.startsWith('file:');
}

export const mostUpstreams = 20;
