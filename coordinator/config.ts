import * as z from 'zod';
import { noteName } from '../domain/audit/signed-note.ts';
import { guixCompressions } from '../domain/hook/compressions.ts';
import { mostHooks } from '../domain/hook/definition.ts';
import {
  derivationLineBytes,
  largestUploadsPerToken,
  mostDerivationBytes,
  mostFileBytes,
  mostUploadMemoryBytes,
} from '../domain/limits.ts';
import { mostRememberable } from '../domain/memory/events.ts';
import { usuallyRemembered } from '../projections/forgetting.ts';
import { hookSettings } from './hooks/settings.ts';
import { keepRule, mostKeepRules } from './items/keep-rules.ts';
import { proxyFields } from './proxies.ts';
import { mostUpstreams, upstreamSettings } from './upstreams/settings.ts';

/**
 * Everything that can be set on a coordinator. One schema for flags, environment and file: the key `limits.max-nar-bytes`
 * is the flag `--limits-max-nar-bytes`, the variable `DROVER_LIMITS_MAX_NAR_BYTES` and `max-nar-bytes` under `[limits]` in
 * the TOML file. `cli/config/load.ts` reads them; docs/operating.md lists them, and a test compares.
 */
const bytes = (fallback: number, description: string, most: number = Number.MAX_SAFE_INTEGER) =>
  z.int().min(1024).max(most).default(fallback).meta({ description, unit: 'bytes' });
const seconds = (fallback: number, description: string) =>
  z.int().min(1).max(31_536_000).default(fallback).describe(description);

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

const listenPattern = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/;

/** `host:port`, an IPv6 address in brackets. Port 0 takes a free one. */
const listen = z
  .string()
  .refine(
    (text) => Number(listenPattern.exec(text)?.[3] ?? 65536) <= 65535,
    'expected host:port, an IPv6 address in []',
  )
  .default('127.0.0.1:8745')
  .describe('Address and port to listen on; an IPv6 address in brackets. Port 0 takes a free one.');

const timeOfDay = /^([01]\d|2[0-3]):([0-5]\d)$/;

/** Milliseconds after midnight of a checked `dailyAt`. */
export function timeOfDayMs(text: string): number {
  const [, hours, minutes] = timeOfDay.exec(text) ?? [];
  return (Number(hours) * 60 + Number(minutes)) * 60_000;
}

const storeDir = z
  .string()
  .regex(/^\/[^\s]*[^/\s]$/, 'expected an absolute path without / at its end')
  .default('/nix/store')
  .describe('Store directory of all derivations and items: /nix/store, or /gnu/store for Guix.');

export const coordinatorConfigSchema = z
  .strictObject({
    data: z
      .string()
      .min(1, 'expected a folder')
      .describe('Folder for the log, the pool of NARs, logs and keys. Made if it is not there.'),
    listen,
    store: z
      .string()
      .min(1)
      .default('sqlite')
      .describe('Event store of the log: sqlite (in the data folder), nats://…, tls://… or esdb://…; docs/engines.md.'),
    storeDir,
    otherStoreDirs: z
      .array(z.enum(['/nix/store', '/gnu/store']))
      .max(1)
      .default([])
      .describe(
        'Store directories that it builds for as well: /gnu/store beside /nix/store, or the other way round. Each has its own cache then, at /nix and /guix.',
      ),
    publicUrl: z
      .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
      .optional()
      .describe('URL by which clients and agents reach the coordinator, where that is not the listen address.'),
    leaseSeconds: seconds(60, 'How long a disconnected agent keeps its builds before they go to another.'),
    heartbeatSeconds: seconds(10, 'How often an agent says that it is there.'),
    watchdogSeconds: z
      .int()
      .min(0)
      .max(86_400)
      .default(60)
      .describe(
        'Processor time that one turn of the event loop may take before the coordinator is ended by its watchdog, with exit code 70 and what it stood still over in the log; 0: never.',
      ),
    logLevel: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .describe('What to log: this and everything more serious.'),
    logFormat: z
      .enum(['auto', 'json', 'text'])
      .default('auto')
      .describe('json: one object per line; text: for people; auto: text on a terminal, json elsewhere.'),
    cachePublic: z.boolean().default(true).describe('Whether the binary cache can be read without a token.'),
    cacheAccelLocation: z
      .string()
      .regex(/^\/[!-~]*\/$/, 'expected a path that begins and ends with /')
      .optional()
      .describe(
        'Location of an nginx before the coordinator that has it send files of the pool by itself: those whose bytes were verified lately, for requests in which it names the location (X-Accel-Location). See "Behind a proxy".',
      ),
    cachePriority: z
      .int()
      .min(0)
      .max(1000)
      .default(40)
      .describe('Priority in nix-cache-info: Nix asks caches with a lower number first; cache.nixos.org has 40.'),
    cacheTtlSeconds: seconds(
      3600,
      'How long clients may keep what the cache says of an item (Cache-Control: max-age). For so long the bytes of a deleted item stay. Nix keeps it for 30 days whatever it is told (its narinfo-cache-positive-ttl), and goes elsewhere or builds where the bytes are gone.',
    ),
    cacheNegativeTtlSeconds: z
      .int()
      .min(0)
      .max(31_536_000)
      .default(0)
      .describe(
        'How long clients of Guix may remember that the cache does not have an item (they would for two minutes). More spares requests, and keeps an agent from an input that it has asked for before it was there.',
      ),
    cacheGuixCompressions: guixCompressions
      .default(['gzip'])
      .describe(
        'Compressions that narinfos for Guix offer beside the one that the pool has: none, gzip, lzip, zstd, with a level where wanted (gzip:9). Every Guix reads gzip, some no zstd. They are made when somebody asks; narinfos have no sizes then, but for none.',
      ),
    cacheSpoolBytes: z
      .int()
      .min(0)
      .default(4 * GiB)
      .meta({ unit: 'bytes' })
      .describe(
        'What NARs may take in the data folder that were compressed anew for who asked, in bytes: they are there for the next then, and have a length. Those that nobody asks for go first; all go at a start. 0: none are kept.',
      ),
    keyName: z
      .string()
      .regex(/^[0-9A-Za-z][0-9A-Za-z._-]{0,62}$/, 'expected up to 63 of [0-9A-Za-z._-]')
      .default('drover-1')
      .describe('Name of the signing key that the first start makes. An existing key keeps its name.'),
    http: z
      .strictObject({
        allowedOrigins: z
          .array(
            z
              .string()
              .refine(
                (text) => text === '*' || (/^https?:/.test(text) && URL.parse(text)?.origin === text),
                'expected an origin, like https://dashboard.example.org, or *',
              ),
          )
          .max(100)
          .default([])
          .describe(
            'Origins of web pages that may call the API from a browser (CORS); * is any. What they may do depends on their token.',
          ),
      })
      .prefault({}),
    dashboard: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe(
            'Whether there are pages for browsers at /, and sessions (docs/dashboard.md); without them nothing of [dashboard] counts.',
          ),
        sessionSeconds: seconds(43_200, 'How long a person who has logged in stays so.'),
        public: z
          .boolean()
          .default(false)
          .describe(
            'Whether whoever brings no token may read what a token of scope read may: all names, logs and events. Nobody can change anything without a token.',
          ),
        hosts: z
          .array(z.string().regex(/^[0-9A-Za-z.-]{1,253}$/, 'expected the name of a host, without a port'))
          .max(100)
          .default([])
          .describe(
            'Names of the coordinator by which dashboard.public and dashboard.proxy-header let somebody in, beside that of public-url, that of the machine, names without a dot, and addresses.',
          ),
        ...proxyFields,
      })
      .prefault({}),
    limits: z
      .strictObject({
        maxDerivationBytes: bytes(4 * MiB, 'Largest derivation, in bytes; 8 MiB at most.', mostDerivationBytes),
        rememberedBuilds: z
          .int()
          .min(1)
          .max(mostRememberable)
          .default(usuallyRemembered)
          .describe(
            'Builds that have ended and are held in memory, some 800 bytes each with their derivations and items, and store items that have gone. Older ones are in the log and the views: they are listed and shown as ever, but what is asked of them is read from the log.',
          ),
        maxNarBytes: bytes(16 * GiB, 'Largest NAR, uncompressed, in bytes.'),
        maxBodyBytes: bytes(
          64 * MiB,
          'Largest body of a request, decompressed, in bytes; parts of NARs are not counted.',
        ),
        tokenRequests: z
          .int()
          .min(8)
          .max(1_000_000)
          .default(512)
          .describe('Requests, feeds of events and links of one token at a time.'),
        uploadMemoryBytes: bytes(
          256 * MiB,
          'Memory for verifying uploads, in bytes; 12 MiB each at most. More at a time are refused for a moment.',
        ),
        tokenUploadMemoryBytes: bytes(64 * MiB, 'The part of it that the uploads of one token may have, in bytes.'),
        tokenUploads: z
          .int()
          .min(1)
          .max(1_000_000)
          .default(1000)
          .describe('Uploads of one token that are begun and not in use yet.'),
        tokenUploadBytes: z
          .int()
          .min(1024)
          .meta({ unit: 'bytes' })
          .optional()
          .describe(
            `Bytes of the uploads of one token that are begun and not in use yet. If not set: room for ${largestUploadsPerToken} of the largest.`,
          ),
        uploadIdleSeconds: seconds(86_400, 'An upload that nobody has gone on with for so long is removed.'),
        maxLogBytes: bytes(256 * MiB, 'Largest log of one attempt, in bytes; a build that writes more fails.'),
      })
      .prefault({}),
    build: z
      .strictObject({
        maxAttempts: z
          .int()
          .min(1)
          .max(100)
          .default(3)
          .describe(
            'Attempts of a build that did not say; failures of machines and networks are counted apart (docs/failures.md).',
          ),
        timeoutSeconds: seconds(36_000, 'Longest time for one attempt of a build that did not say.'),
        maxSilentSeconds: seconds(3_600, 'Longest time without output for one attempt of a build that did not say.'),
      })
      .prefault({}),
    retry: z
      .strictObject({
        baseSeconds: seconds(5, 'Wait before the second attempt; doubles with each further one, with jitter.'),
        maxSeconds: seconds(900, 'Longest wait between two attempts.'),
      })
      .prefault({}),
    quarantine: z
      .strictObject({
        failures: z
          .int()
          .min(1)
          .max(1000)
          .default(3)
          .describe(
            'Derivations in a row that failed through the fault of its machine after which an agent gets no builds for a while.',
          ),
        seconds: seconds(600, 'How long that while is. The last agent of its kind is never quarantined.'),
      })
      .prefault({}),
    verify: z
      .strictObject({
        everySeconds: z
          .int()
          .min(0)
          .max(31_536_000)
          .default(0)
          .describe(
            'How often all of the pool is read and verified by itself, from begin to begin, 604800 for every week; 0: never. One that was cut off by a stop goes on where it was.',
          ),
        rateBytes: bytes(32 * MiB, 'How much it reads in a second at most, in bytes: the disk is for others first.'),
        repair: z
          .boolean()
          .default(false)
          .describe('Whether what it finds wrong is built again, also where nobody needs it.'),
      })
      .prefault({}),
    gc: z
      .strictObject({
        dailyAt: z
          .string()
          .regex(timeOfDay, 'expected a time of the day in UTC, like 03:30')
          .optional()
          .describe(
            'When what nobody needs is collected each day, in UTC, like 03:30; never if not set. The other settings of gc are for these collections.',
          ),
        olderThanSeconds: z
          .int()
          .min(0)
          .max(3_153_600_000)
          .optional()
          .describe(
            'What was published less long ago stays, with all that it refers to; as long as cache-ttl-seconds if not set. If set, it collects where there is no root, too.',
          ),
        maxFreedBytes: z
          .int()
          .min(1)
          .optional()
          .meta({ description: 'A collection ends once so many bytes go.', unit: 'bytes' }),
        keepFreeBytes: z.int().min(1).optional().meta({
          description:
            'A collection ends once so many bytes are free where the pool is; it takes nothing where they are.',
          unit: 'bytes',
        }),
        buildInputs: z
          .boolean()
          .default(false)
          .describe('Whether what kept items were built with, sources and compilers included, stays as well.'),
      })
      .prefault({}),
    audit: z
      .strictObject({
        name: z
          .string()
          .regex(noteName, 'expected a name without white space and "+"')
          .optional()
          .describe(
            'Name of the log in its checkpoints, best like farm.example.org/drover: of the audit key that the first start makes. An existing key keeps its name. If not set: one that no other log has.',
          ),
        checkpointSeconds: seconds(
          600,
          'Longest time between an event and a signed checkpoint that covers it (docs/audit.md); one is signed at a stop, too.',
        ),
      })
      .prefault({}),
    snapshots: z
      .strictObject({
        everyEvents: z
          .int()
          .min(0)
          .default(100_000)
          .describe(
            'Events after which a process beside the coordinator writes down what it knows, so that a start has less of the log to read; 0: never. Where traces are exported, a start reads all of it.',
          ),
      })
      .prefault({}),
    moments: z
      .strictObject({
        atATime: z
          .int()
          .min(0)
          .max(64)
          .default(2)
          .describe(
            'Moments that are over which the dashboard and the API show at a time, each read by a process beside the coordinator; 0: none.',
          ),
        idleSeconds: seconds(300, 'For how long a moment stays that nobody asks about.'),
        memoryBytes: z
          .int()
          .min(128 * 1024 ** 2)
          .default(2 * 1024 ** 3)
          .describe(
            'Memory that the process of a moment may take, in bytes: one that would take more comes to nothing.',
          ),
        diskBytes: z
          .int()
          .min(1024 ** 2)
          .default(8 * 1024 ** 3)
          .describe(
            'Room that it may take for its tables, in bytes, in a file without a name where the system has temporary ones (TMPDIR or /var/tmp).',
          ),
      })
      .prefault({}),
    hooks: z
      .strictObject({
        trustApi: z
          .boolean()
          .default(false)
          .describe(
            'Whether hooks that are added over the API may run commands on this machine, write files here, call private addresses and send what is in files here, like tokens; those of the configuration always may.',
          ),
      })
      .prefault({}),
    traces: z
      .strictObject({
        endpoint: z
          .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
          .optional()
          .describe(
            'Where traces go, by OTLP over HTTP: the base URL of a collector, to which /v1/traces is added. Without it, and without OTEL_EXPORTER_OTLP_ENDPOINT, there are none.',
          ),
        headersFile: z
          .string()
          .min(1, 'expected a file')
          .optional()
          .describe('File with headers for the collector, one a line as "name: value": where it wants a token.'),
        ratio: z
          .number()
          .min(0)
          .max(1)
          .default(1)
          .describe(
            'Share of submissions that are traced, 0 to 1; one that comes with a traceparent is what that says.',
          ),
        serviceName: z
          .string()
          .min(1)
          .max(255)
          .optional()
          .describe('The service.name of spans; where it is not set OTEL_SERVICE_NAME, else drover.'),
      })
      .prefault({}),
    keep: z
      .array(keepRule)
      .max(mostKeepRules)
      .default([])
      .describe(
        'Rules that keep the newest successful builds from being collected, each a table [[keep]] of the config file.',
      ),
    upstream: z
      .array(upstreamSettings)
      .max(mostUpstreams)
      .default([])
      .describe(
        'Other binary caches, each a table [[upstream]] of the config file: what they have counts as available, and is not built.',
      ),
    hook: z
      .array(hookSettings)
      .max(mostHooks)
      .default([])
      .describe('Hooks, each a table [[hook]] of the config file; docs/hooks.md.'),
  })
  .superRefine(({ dashboard, limits, hook, keep, upstream }, context) => {
    for (const [kind, tables] of Object.entries({ hook, keep, upstream })) {
      const names = tables.map(({ name }) => name);
      const twice = names.find((name, at) => names.indexOf(name) !== at);
      if (twice !== undefined)
        context.addIssue({
          code: 'custom',
          path: [kind],
          message: `expected one ${kind} of each name, two are ${twice}`,
        });
    }
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: [], message });
    if ((dashboard.proxyHeader === undefined) !== (dashboard.proxyAddresses.length === 0))
      refuse(
        'dashboard.proxy-header and dashboard.proxy-addresses: expected both or none, as the header is believed from these addresses alone',
      );
    const line = derivationLineBytes(limits.maxDerivationBytes);
    if (limits.maxBodyBytes < line) {
      const got = `${limits.maxBodyBytes} beside limits.max-derivation-bytes of ${limits.maxDerivationBytes}`;
      refuse(
        `limits.max-body-bytes: expected at least ${line}, so that the largest derivation fits into a body, got ${got}`,
      );
    }
    const { uploadMemoryBytes: all, tokenUploadMemoryBytes: share } = limits;
    const name = 'limits.token-upload-memory-bytes';
    if (share < mostUploadMemoryBytes)
      refuse(`${name}: expected at least ${mostUploadMemoryBytes}, which one upload may need, got ${share}`);
    const largest = mostFileBytes(limits.maxNarBytes);
    if (limits.tokenUploadBytes !== undefined && limits.tokenUploadBytes < largest)
      refuse(
        `limits.token-upload-bytes: expected at least ${largest}, so that a NAR of limits.max-nar-bytes fits, got ${limits.tokenUploadBytes}`,
      );
    if (all < share) refuse(`limits.upload-memory-bytes: expected at least the ${share} of ${name}, got ${all}`);
  });

/** All store directories, the first one first. */
export function storeDirsOf({
  storeDir,
  otherStoreDirs,
}: Pick<CoordinatorConfig, 'storeDir' | 'otherStoreDirs'>): readonly string[] {
  return [...new Set([storeDir, ...otherStoreDirs])];
}

export type CoordinatorConfig = z.infer<typeof coordinatorConfigSchema>;

/** Splits a checked `listen`; the brackets of an IPv6 address are gone from `host`. */
export function parseListen(text: CoordinatorConfig['listen']): { readonly host: string; readonly port: number } {
  const [, v6, host, port] = listenPattern.exec(text) ?? [];
  return { host: v6 ?? host ?? '127.0.0.1', port: Number(port) };
}
