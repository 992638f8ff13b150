import type { UpstreamSource } from '../../coordinator/upstreams/asking.ts';
import type { UpstreamSettings } from '../../coordinator/upstreams/settings.ts';
import { readHeaders } from '../traces/settings.ts';
import { openFileCache } from './file-cache.ts';
import { openHttpCache } from './http-cache.ts';

/** The way to one `[[upstream]]`, for the coordinator with this id. Rejects where its headers cannot be read; asks it nothing. */
export async function openUpstream(settings: UpstreamSettings, id: string): Promise<UpstreamSource> {
  const { url, headersFile, timeoutSeconds, connections, allowPrivate } = settings;
  if (url.startsWith('file:')) return { settings, cache: openFileCache(url) };
  const headers = headersFile === undefined ? {} : await readHeaders(headersFile);
  const cache = openHttpCache({ url, id, headers, timeoutMs: timeoutSeconds * 1000, connections, allowPrivate });
  return { settings, cache };
}
