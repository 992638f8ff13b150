import { accessSync, constants, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { readAuditKey } from '../../adapters/data-dir/audit-key.ts';
import { readGuixKey } from '../../adapters/data-dir/guix-key.ts';
import { isThere } from '../../adapters/data-dir/is-there.ts';
import { readSecretIfThere } from '../../adapters/data-dir/secret-file.ts';
import { readSessionKey } from '../../adapters/data-dir/session-key.ts';
import { readSigningKey } from '../../adapters/data-dir/signing-key.ts';
import { writerOf } from '../../adapters/event-store/sqlite/lock.ts';
import { parseStoreAddress } from '../../adapters/event-store/store-url.ts';
import type { Resolve } from '../../adapters/hooks/resolve.ts';
import { connectionsWithin, openFilesLimit, parseOpenFiles } from '../../adapters/runtime/open-files.ts';
import { readHeaders, traceSettings } from '../../adapters/traces/settings.ts';
import { isSecret } from '../../coordinator/access.ts';
import { type CoordinatorConfig, parseListen, storeDirsOf } from '../../coordinator/config.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { CliError } from '../output/cli-error.ts';
import { startError } from '../output/start-error.ts';
import { plural, printable } from '../output/text.ts';
import { checkHooks } from './coordinator-hooks.ts';
import { checkUpstreams } from './coordinator-upstreams.ts';
import { bad, check, type Finding, type Found, good, warning } from './finding.ts';
import { asItsUser, checkFolder, checkRoom, isForeign, type RoomOf, roomOf } from './folders.ts';
import { checkLog } from './log.ts';
import { checkPool } from './pool.ts';
import { checkReach, checkStoreDir, clientOf, type ReachEdges, reachEdges } from './reach.ts';

/** The outside of the checks, for tests to stand in for. */
export interface CoordinatorEdges extends ReachEdges {
  readonly room: RoomOf;
  /** Most files and connections that a process may have open; of this one where none is given. */
  openFiles(pid: string | undefined): Promise<number | undefined>;
  readonly resolve?: Resolve;
}

export const coordinatorEdges: CoordinatorEdges = { ...reachEdges, room: roomOf, openFiles };

/** Below that, a farm of some size has its connections closed. */
const fewFiles = 4096;

/** Everything that a coordinator with this config needs. Nothing is written but probes, which are removed. */
export async function checkCoordinator(
  config: CoordinatorConfig,
  environment: NodeJS.ProcessEnv,
  edges: CoordinatorEdges = coordinatorEdges,
): Promise<readonly Finding[]> {
  const data = resolve(config.data);
  const file = (name: string) => join(data, name);
  const pool = file('pool');
  const findings: Finding[] = [];
  const add = async (more: Promise<readonly Finding[]>) => void findings.push(...(await more));

  let holder: string | undefined;
  await add(check('data folder', () => checkFolder(data, 'the first start')));
  // All else is in it: nothing could be said of that.
  if (!canLookInto(data)) return findings;
  for (const folder of [pool, file('logs'), file('derivations')])
    if (isThere(folder)) await add(check('its folders', () => checkFolder(folder, 'the next start')));
  await add(
    check('writer', async () => {
      holder = writerOf(data);
      return good(
        holder === undefined
          ? 'no coordinator runs on the data folder'
          : `the coordinator of process ${holder} runs on it: the rest is only looked at`,
      );
    }),
  );
  await add(check('event store', async () => storeOf(config)));
  const address = parseStoreAddressOrNone(config.store);
  const logDir = address?.kind === 'sqlite' ? (address.dir ?? data) : undefined;
  if (address !== undefined) {
    await add(checkLogOrNone({ address, data, pool, logDir, isHeld: holder !== undefined }, edges.now()));
  }
  await add(check('pool', () => checkPool(pool)));
  await add(keysOf({ file }, config));
  for (const folder of new Set([data, pool, ...(logDir === undefined ? [] : [logDir])]))
    await add(check('room', () => checkRoom(folder, edges.room)));
  await add(check('open files', () => checkOpenFiles(holder, edges)));
  await add(check('listen', () => checkListen(config, holder)));
  if (config.publicUrl !== undefined) {
    const target = { url: config.publicUrl };
    if (holder === undefined)
      await add(check('public URL', async () => good(`${printable(target.url)}: looked at once the coordinator runs`)));
    else {
      const { findings: reach, reached } = await checkReach('public URL', target, edges);
      findings.push(...reach);
      if (reached && config.cachePublic)
        await add(
          check('public cache', () =>
            checkStoreDir(
              target,
              config.storeDir,
              'check where the public URL leads: another coordinator answers there',
            ),
          ),
        );
    }
  }
  await add(checkHooks(config, [data, ...(logDir === undefined ? [] : [logDir])], edges.resolve));
  await add(checkUpstreams(config));
  await add(checkTraces(config, environment));
  return findings;
}

function storeOf({ store }: CoordinatorConfig): Found {
  const { kind } = parseStoreAddress(store);
  return good(kind === 'sqlite' ? 'embedded (SQLite)' : kind === 'nats' ? 'NATS JetStream' : 'EventStoreDB');
}

function parseStoreAddressOrNone(store: string): ReturnType<typeof parseStoreAddress> | undefined {
  try {
    return parseStoreAddress(store);
  } catch {
    // Told of as a finding of its own.
    return undefined;
  }
}

async function checkLogOrNone(place: Parameters<typeof checkLog>[0], now: number): Promise<readonly Finding[]> {
  const { logDir, data } = place;
  try {
    // A folder that knows its log and has none has lost it.
    if (logDir === undefined || isThere(join(logDir, 'events.db')) || isThere(join(data, 'log-id'))) {
      const isHeld = place.isHeld || (logDir !== undefined && logDir !== data && writerOf(logDir) !== undefined);
      return await checkLog({ ...place, isHeld }, now);
    }
  } catch (error) {
    return check('log', () => Promise.reject(error));
  }
  return check('log', async () => good('there is none yet: the first start begins it'));
}

/** Whether it is a folder, or nothing yet, and this user may see what is in it. */
function canLookInto(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return statSync(folder).isDirectory();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

async function keysOf(dir: { file(name: string): string }, config: CoordinatorConfig): Promise<readonly Finding[]> {
  const pair = (read: typeof readSigningKey, name: string) => async (): Promise<Found> => {
    try {
      const held = await read(dir);
      return good(held === undefined ? 'the first start makes it' : `${name}: ${held.publicKey}`);
    } catch (error) {
      return isForeign(error) ? bad((error as Error).message, asItsUser) : Promise.reject(error);
    }
  };
  const admin = dir.file('admin.token');
  return [
    ...(await check('cache key', pair(readSigningKey, 'clients trust'))),
    ...(storeDirsOf(config).includes(guixStoreDir)
      ? await check('key for Guix', pair(readGuixKey, 'clients of Guix trust'))
      : []),
    ...(await check('audit key', pair(readAuditKey, 'auditors trust'))),
    ...(config.dashboard.enabled
      ? await check('session key', async () => {
          const held = await readSessionKey(dir);
          return good(held === undefined ? 'the next start makes it' : 'sessions of the dashboard outlive a restart');
        })
      : []),
    ...(await check('admin token', async () => {
      const token = (await readSecretIfThere(admin))?.trim();
      if (token === undefined) return good(`the next start makes one, in ${admin}`);
      if (isSecret(token)) return good(`in ${admin}`);
      return bad(
        `${admin}: expected a token, got something else`,
        'restore it from the backup, or remove it: the next start makes another',
      );
    })),
  ];
}

async function openFiles(pid: string | undefined): Promise<number | undefined> {
  return pid === undefined ? openFilesLimit() : parseOpenFiles(await readFile(`/proc/${pid}/limits`, 'utf8'));
}

async function checkOpenFiles(holder: string | undefined, edges: CoordinatorEdges): Promise<Found> {
  const whose = holder === undefined ? 'here' : `for process ${holder}`;
  const limit = await edges.openFiles(holder);
  if (limit === undefined) return warning(`the limit of open files ${whose} is not known`);
  const found = `${limit} ${whose}: room for ${plural(connectionsWithin(limit), 'connection')}`;
  return limit < fewFiles
    ? warning(found, 'LimitNOFILE=65536 in the unit of the service, or ulimit -n 65536')
    : good(found);
}

async function checkListen(config: CoordinatorConfig, holder: string | undefined): Promise<Found | readonly Found[]> {
  const { host, port } = parseListen(config.listen);
  if (holder !== undefined && port !== 0) {
    const url = `http://${reachable(host)}:${port}`;
    const client = clientOf({ url });
    try {
      await client.request('GET', '/healthz');
    } catch (error) {
      if (!(error instanceof CliError) || error.code !== 'connection-refused') throw error;
      return bad(
        error.message,
        `process ${holder} is still starting, or has another --listen: give the settings that it was given`,
      );
    }
    const { warnings = [] } = await client.get<{ warnings?: readonly string[] }>('/readyz');
    const up = good(`the running coordinator answers at ${config.listen}`);
    return [up, ...warnings.map((one) => warning(`it says: ${printable(one)}`))];
  }
  const server = createServer();
  try {
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(port, host, done);
    });
    return good(port === 0 ? 'a free port of the system' : `${config.listen} is free`);
  } catch (error) {
    throw startError(error, config);
  } finally {
    await new Promise<void>((done) => server.close(() => done()));
  }
}

/** What listens everywhere is reached by the machine itself. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

async function checkTraces(config: CoordinatorConfig, environment: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  const settings = traceSettings(config.traces, environment);
  if (settings === undefined) return [];
  return check('traces', async () => {
    if (settings.headersFile !== undefined) await readHeaders(settings.headersFile);
    return good(`go to ${settings.url === undefined ? 'where OTEL_EXPORTER_OTLP_… says' : new URL(settings.url).host}`);
  });
}
