import type * as z from 'zod';
import { parseGuixStore } from '../../adapters/builder/guix/store-uri.ts';
import { parseStoreUri } from '../../adapters/builder/nix/store-uri.ts';
import { agentConfigSchema } from '../../agent/config.ts';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';

const { shape } = agentConfigSchema;
const { logLevel, logFormat } = coordinatorConfigSchema.shape;

const settings = agentConfigSchema.safeExtend({
  coordinator: shape.coordinator.describe('URL of the coordinator.'),
  tokenFile: shape.tokenFile.describe(
    'File with the token of the agent, from "drover agents add --token-file", and nothing else. Read again at each connection.',
  ),
  state: shape.state.describe('Folder for what the agent runs and has not reported yet. Made if it is not there.'),
  slots: shape.slots.describe('Builds at a time; if absent, the number of cores.'),
  store: shape.store.describe(
    "Where to build: auto or daemon (the machine's Nix or Guix daemon), unix:///path, or, for Nix, local?root=/dir for a store of its own.",
  ),
  storeDir: shape.storeDir.describe('Store directory of what is built; the same as the coordinator has.'),
  systems: shape.systems.describe(
    "Systems to build for, for example x86_64-linux,i686-linux; if absent, the machine's own.",
  ),
  features: shape.features.describe('Features that the agent has, for example kvm,big-parallel.'),
  mandatoryFeatures: shape.mandatoryFeatures.describe('Of these features, a build has to require one to come here.'),
  onShutdown: shape.onShutdown.describe(
    'What SIGTERM means for what runs: finish lets it end first, hand-back gives it to others.',
  ),
  compressionLevel: shape.compressionLevel.describe('Level of zstd for uploads: 1 is the quickest, 19 the smallest.'),
  uploadPartBytes: shape.uploadPartBytes.describe(
    'Largest part of an upload, in bytes: what a proxy before the coordinator has to take in one request. Halved by itself where one refuses it.',
  ),
  maxConcurrentUploads: shape.maxConcurrentUploads.describe('Outputs uploaded at a time.'),
  maxConcurrentFetches: shape.maxConcurrentFetches.describe('Inputs fetched at a time.'),
  minFree: shape.minFree.describe(
    "Bytes of the store's disk that are kept free. Where there are fewer, the agent takes nothing new, collects the store's garbage once what it runs has ended, and goes on. Absent: it never collects.",
  ),
  maxStore: shape.maxStore.describe('Bytes that the store holds at most, added up as NARs; kept in the same way.'),
  maxLoad: shape.maxLoad.describe('Nothing new is taken while the load of the last minute is over this.'),
  maxCpuPressure: shape.maxCpuPressure.describe(
    'Nothing new is taken while processes waited for the CPU in more of the last ten seconds than this, in per cent, where the kernel says so (/proc/pressure).',
  ),
  maxMemoryPressure: shape.maxMemoryPressure.describe('The same of waiting for memory.'),
  maxIoPressure: shape.maxIoPressure.describe('The same of waiting for disks.'),
  sandbox: shape.sandbox.describe(
    'Whether builds have to run in a sandbox. With false, what is built may see and change the machine.',
  ),
  passEnvironment: shape.passEnvironment.describe(
    "For a store of its own: variables of the agent's environment that fixed outputs may ask for, for example http_proxy,https_proxy,no_proxy; others they cannot see.",
  ),
  sandboxPaths: shape.sandboxPaths.describe(
    'For a store of its own: what a build sees besides its inputs, as /target or /target=/source; a ? at the end for what may be absent. They take the place of the default, so /bin/sh has to be among them. None may be below another, nor show /etc or the store as a whole. If not set: /bin/sh, and the libraries of the machine.',
  ),
  extraSandboxPaths: shape.extraSandboxPaths.describe('The same, seen beside these or the default.'),
  nixConfig: shape.nixConfig.describe('Further settings of Nix for a store of its own, for example cores=2.'),
  logLevel,
  logFormat,
} satisfies Record<keyof typeof shape | 'logLevel' | 'logFormat', z.ZodType>);

/** What can be set for `drover agent`: the agent's own schema in words for an operator, and the log. A store that no builder could open is refused here, with the other settings. */
export const agentSettings = settings.superRefine(({ store, storeDir }, context) => {
  try {
    if (storeDir === guixStoreDir) parseGuixStore(store);
    else parseStoreUri(store);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    context.addIssue({ code: 'custom', path: ['store'], message: error.message });
  }
});
