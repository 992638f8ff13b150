import { resolve } from 'node:path';
import { parseEsdbUrl } from './eventstoredb/url.ts';
import type { NatsOptions } from './nats/options.ts';
import { parseNatsUrl } from './nats/url.ts';

/** Which event store, and where: what `--store`, `--from` and `--to` take. */
export type StoreAddress =
  | { readonly kind: 'sqlite'; readonly dir: string | undefined }
  | { readonly kind: 'nats'; readonly options: NatsOptions }
  | { readonly kind: 'eventstoredb'; readonly connectionString: string };

/** `sqlite` (in the data folder), `sqlite:DIR`, `nats://…`, `tls://…` or `esdb://…`. Throws an Error that says what was expected. */
export function parseStoreAddress(text: string): StoreAddress {
  if (text === 'sqlite') return { kind: 'sqlite', dir: undefined };
  if (text.startsWith('sqlite:')) {
    const dir = text.slice('sqlite:'.length);
    if (dir === '') throw new Error('Expected sqlite:DIR, got sqlite: without a folder');
    return { kind: 'sqlite', dir: resolve(dir) };
  }
  if (/^(nats|tls):\/\//.test(text)) return { kind: 'nats', options: parseNatsUrl(text) };
  if (/^esdb(\+discover)?:\/\//.test(text)) {
    parseEsdbUrl(text);
    return { kind: 'eventstoredb', connectionString: text };
  }
  throw new Error('Expected sqlite, sqlite:DIR, nats://…, tls://… or esdb://…');
}
