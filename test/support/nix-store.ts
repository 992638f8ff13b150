import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NixBuilderOptions, openNixBuilder } from '../../adapters/builder/nix/nix-builder.ts';
import type { BuildRequest } from '../../agent/ports/builder.ts';
import type { Derivation } from '../../domain/store/derivation.ts';
import { makeOutputPath, makeStorePath } from '../../domain/store/store-path.ts';

export const storeDir = '/nix/store';

/** Why real builds cannot be tested here, or `false` if they can: they need Nix, and root for the sandbox. */
export const noNix: string | false = (() => {
  try {
    execFileSync('nix-daemon', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'nix-daemon is not installed';
  }
  return process.getuid?.() === 0 ? false : 'a chroot store with a sandbox needs root';
})();

/** A real Nix builder on an empty store in a temporary folder. */
export async function openTemporaryNixBuilder(options: Partial<NixBuilderOptions> = {}) {
  const root = await mkdtemp(join(tmpdir(), 'drover-nix-'));
  const builder = openNixBuilder({ store: `local?root=${root}`, ...options });
  return {
    root,
    builder,
    async [Symbol.asyncDispose]() {
      await builder[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** A derivation that runs `script` by `/bin/sh`; its paths are well-formed, which is all that a trusting daemon asks. */
export function shellDerivation(
  name: string,
  script: string,
  more: Partial<Derivation> & { outputNames?: string[] } = {},
) {
  const { outputNames = ['out'], ...rest } = more;
  const seed = Buffer.from(`${name}\0${script}`.padEnd(32, '.').slice(0, 32)).toString('hex');
  const outputs = outputNames.map((output) => ({
    name: output,
    path: makeOutputPath(name, output, seed, storeDir),
    hashAlgo: '',
    hash: '',
  }));
  const derivation: Derivation = {
    outputs,
    inputDerivations: [],
    inputSources: [],
    system: 'x86_64-linux',
    builder: '/bin/sh',
    args: ['-c', script],
    env: outputs.map(({ name: key, path }) => [key, path] as const),
    ...rest,
  };
  return { derivation, derivationPath: makeStorePath('text', seed, `${name}.drv`, storeDir) };
}

/** Generous limits, and a log that is kept. */
export function buildRequest(
  made: Pick<BuildRequest, 'derivation' | 'derivationPath'>,
  more: Partial<BuildRequest> = {},
): BuildRequest & { log(): string } {
  const chunks: Uint8Array[] = [];
  return {
    ...made,
    inputs: [],
    timeoutSeconds: 60,
    maxSilentSeconds: 60,
    maxLogBytes: 1_000_000,
    signal: new AbortController().signal,
    onLog: (chunk) => {
      chunks.push(chunk);
    },
    log: () => Buffer.concat(chunks).toString(),
    ...more,
  };
}
