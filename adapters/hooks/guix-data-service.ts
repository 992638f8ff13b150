import type { HookDelivery } from '../../coordinator/ports/hook-transport.ts';
import { infrastructureFailures } from '../../domain/build/failure-class.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import type { HookKind } from './kind.ts';
import { post } from './post.ts';
import type { Resolve } from './resolve.ts';
import { readSecretLine } from './small-file.ts';

/** How the service names what an event says of a build; it has no name for an attempt that will be tried again. */
const names: Readonly<Record<string, string>> = {
  BuildSubmitted: 'scheduled',
  BuildStarted: 'started',
  BuildSucceeded: 'succeeded',
  BuildSatisfied: 'succeeded',
  BuildFailed: 'failed',
  BuildCanceled: 'canceled',
};
/** Not for what the derivation says: the machines, or an answer that nobody can name. */
const otherFailures: ReadonlySet<string> = new Set([...infrastructureFailures, 'agent-lost', 'unknown']);

/**
 * Tells a Guix Data Service how builds go: `POST /build-server/<id>/build-events?token=…`, one event each. It takes a repeat for what it
 * is: a build has one row for each status. Source: guix-data-service/web/build-server/controller.scm.
 */
export function createGuixDataServiceTransport({
  version,
  storeDir,
  resolve,
}: {
  readonly version: string;
  readonly storeDir: string;
  readonly resolve: Resolve;
}): HookKind<'guix-data-service'> {
  return {
    async deliver({ target, ...delivery }, signal) {
      const item = itemOf(delivery, storeDir);
      if (typeof item === 'string') return { ok: true, note: item };
      try {
        const { url, buildServer, tokenFile, allowPrivate } = target;
        const events = new URL(`${url.replace(/\/$/, '')}/build-server/${buildServer}/build-events`);
        events.searchParams.set('token', await readSecretLine('token file', tokenFile));
        const headers = { 'content-type': 'application/json', 'user-agent': `drover/${version}` };
        return await post(
          { url: events, headers, body: JSON.stringify({ items: [item] }), allowPrivate, resolve },
          signal,
        );
      } catch (error) {
        return { ok: false, error: messageOf(error as Error) };
      }
    },
  };
}

/** What the service is told; in words why it is told nothing. @param storeDir the first one of the coordinator */
function itemOf({ event, facts }: Pick<HookDelivery, 'event' | 'facts'>, storeDir: string): object | string {
  const name = names[event.type];
  if (name === undefined || facts.derivation === undefined) return 'the service is told nothing of such an event';
  // It has no others.
  if ((facts.storeDir ?? storeDir) !== guixStoreDir)
    return `the service is told of derivations of ${guixStoreDir} alone`;
  return {
    type: 'build',
    event: name === 'failed' && otherFailures.has(facts.class ?? 'unknown') ? 'failed-other' : name,
    // Seconds since the Unix epoch.
    timestamp: Math.floor(event.at / 1000),
    derivation: `${guixStoreDir}/${facts.derivation}`,
    build_id: event.stream.slice('build-'.length),
  };
}

function messageOf({ message }: Error): string {
  return message;
}
