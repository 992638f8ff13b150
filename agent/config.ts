import * as z from 'zod';
import { defaultPart, smallestPart } from './outputs/part-size.ts';
import { sandboxPathsFault, sandboxPathsOf, shellFault } from './sandbox-paths.ts';

const name = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}$/, 'expected up to 64 of [0-9A-Za-z._+-]');

const percent = z.number().min(0).max(100);

/** Names by which Nix knows what is a setting of the agent, which looks at it. */
function settingOf(nix: string): string | undefined {
  if (nix === 'sandbox' || nix === 'build-use-sandbox' || nix === 'build-use-chroot') return 'sandbox';
  if (!/^(extra-)?(build-)?(extra-)?(sandbox-paths|chroot-dirs)$/.test(nix)) return undefined;
  return nix.includes('extra-') ? 'extra-sandbox-paths' : 'sandbox-paths';
}

/** What an operator sets for an agent. What has no default here is taken from the machine or has to be given. */
export const agentConfigSchema = z
  .strictObject({
    /** Address of the coordinator. */
    coordinator: z
      .url({ protocol: /^https?$/, error: 'expected an http or https address' })
      .refine(
        (url) => `${URL.parse(url)?.username ?? ''}${URL.parse(url)?.password ?? ''}` === '',
        'expected an address without user and password: the token goes into a file, see token-file',
      ),
    /** File with the agent's token, and nothing else. */
    tokenFile: z.string().min(1),
    /** Builds at a time. Default: the number of cores. */
    slots: z.int().min(1).max(4096).optional(),
    /** `auto` or `daemon` (the system's Nix or Guix daemon), `unix:///path` or, for Nix, `local?root=/dir`. */
    store: z.string().min(1).default('auto'),
    storeDir: z
      .string()
      .regex(/^\/[^\s]*[^/]$/, 'expected a full path')
      .default('/nix/store'),
    /** Default: the machine's own. */
    systems: z.array(name).min(1).max(64).optional(),
    features: z.array(name).max(64).default([]),
    /** Features that a build has to require to come here; each is one of `features` too. */
    mandatoryFeatures: z.array(name).max(64).default([]),
    /** Folder for what the agent has to remember. */
    state: z.string().min(1),
    /** What a SIGTERM means for running builds. */
    onShutdown: z.enum(['finish', 'hand-back']).default('finish'),
    /** Of zstd, for uploads. */
    compressionLevel: z.int().min(1).max(19).default(3),
    /** Largest part of an upload that goes in one request, in bytes. */
    uploadPartBytes: z
      .int()
      .min(smallestPart)
      .max(1024 ** 3)
      .meta({ unit: 'bytes' })
      .default(defaultPart),
    maxConcurrentUploads: z.int().min(1).max(64).default(4),
    maxConcurrentFetches: z.int().min(1).max(64).default(8),
    /** Bytes of the store's disk that are kept free: where there are fewer, garbage is collected between builds, and nothing new is taken until then. */
    minFree: z.int().min(1).meta({ unit: 'bytes' }).optional(),
    /** Bytes that the store holds at most, as NARs; kept in the same way. */
    maxStore: z.int().min(1).meta({ unit: 'bytes' }).optional(),
    /** Nothing new is taken while the load of the last minute is over this. */
    maxLoad: z.number().positive().optional(),
    /** Nothing new is taken while processes waited for the CPU in more of the last ten seconds than this, in per cent (/proc/pressure). */
    maxCpuPressure: percent.optional(),
    /** The same of memory. */
    maxMemoryPressure: percent.optional(),
    /** The same of disks. */
    maxIoPressure: percent.optional(),
    /** Whether builds have to run in a sandbox; an agent whose builds do not takes none. False also turns it off for a chroot store. */
    sandbox: z.boolean().default(true),
    /** Variables of the agent's environment that a chroot store's Nix gets besides a few harmless ones, and fixed outputs that ask for them. */
    passEnvironment: z
      .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of a variable'))
      .max(64)
      .default([]),
    /**
     * What the sandbox of a chroot store shows besides a build's inputs: `/target` or `/target=/source`, `?` for what may be absent. Default: a
     * shell and its libraries.
     */
    sandboxPaths: z.array(z.string().startsWith('/')).optional(),
    /** What it shows beside these. */
    extraSandboxPaths: z.array(z.string().startsWith('/')).default([]),
    /** Further settings of Nix for a chroot store. */
    nixConfig: z
      .record(z.string().regex(/^[a-z][a-z0-9-]*$/), z.string())
      .superRefine((config, context) => {
        for (const given of Object.keys(config)) {
          const ours = settingOf(given);
          if (ours !== undefined)
            context.addIssue(`expected settings of Nix, got ${given}, which is the setting ${ours} of the agent`);
        }
      })
      .default({}),
  })
  .refine(({ features, mandatoryFeatures }) => mandatoryFeatures.every((one) => features.includes(one)), {
    path: ['mandatoryFeatures'],
    message: 'expected features that are listed in `features` too',
  })
  .superRefine(({ sandboxPaths, extraSandboxPaths, sandbox, storeDir }, context) => {
    const paths = sandboxPathsOf({ sandboxPaths, extraSandboxPaths });
    const fault = sandboxPathsFault(paths, storeDir) ?? (sandbox ? shellFault(paths) : undefined);
    const given = sandboxPaths === undefined ? 'extraSandboxPaths' : 'sandboxPaths';
    if (fault !== undefined) context.addIssue({ code: 'custom', path: [given], message: fault });
  });
export type AgentConfig = z.infer<typeof agentConfigSchema>;
/** As a file or the command line gives it. */
export type AgentConfigInput = z.input<typeof agentConfigSchema>;
