import type { UpstreamSource } from '../../coordinator/upstreams/asking.ts';
import type { UpstreamSettings } from '../../coordinator/upstreams/settings.ts';
import { readHeaders } from '../traces/settings.ts';
import { openThreadedCache } from './threaded-cache.ts';

/** The way to one `[[upstream]]`, for the coordinator with this id. Rejects where its headers cannot be read; asks it nothing. */
export async function openUpstream(settings: UpstreamSettings, id: string): Promise<UpstreamSource> {
  const { url, publicKeys, headersFile, timeoutSeconds, connections, allowPrivate } = settings;
  if (url.startsWith('file:')) return { settings, cache: openThreadedCache({ file: url }, publicKeys) };
  const headers = headersFile === undefined ? {} : await readHeaders(headersFile);
  const http = { url, id, headers, timeoutMs: timeoutSeconds * 1000, connections, allowPrivate };
  return { settings, cache: openThreadedCache({ http }, publicKeys) };
}
