import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { quoted } from '../../adapters/data-dir/private-folder.ts';
import type { UploadDeclaration } from '../../coordinator/ports/pool.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { isHashPart, isValidName } from '../../domain/store/store-path.ts';
import { CliError } from '../output/cli-error.ts';
import { packSource } from './pack-source.ts';

/** Where `.drv` files and sources are read from: a store, perhaps a chroot store, or a folder of `.drv` files. */
export interface DerivationSource {
  readonly storeDir: string;
  /** Base name of what the user named: a store path, a file, a link to one, or a base name. Throws a {@link CliError}. */
  resolve(argument: string): string;
  /** Text of a derivation, `undefined` if it is not here. */
  read(base: string): Uint8Array | undefined;
  /**
   * Writes a store item as a compressed NAR into `file` and says what is in it; `undefined` if it is not here.
   *
   * @param candidates base names that it may refer to.
   */
  pack(
    base: string,
    candidates: Iterable<string>,
    file: string,
    signal?: AbortSignal,
  ): Promise<UploadDeclaration | undefined>;
}

export interface SourceOptions {
  readonly storeDir: string;
  /** `--store-root`: the store is at `<storeRoot><storeDir>`. */
  readonly storeRoot?: string | undefined;
  /** `--derivations`: folder with `.drv` files named by their base names. */
  readonly folder?: string | undefined;
}

export function openDerivationSource({ storeDir, storeRoot = '', folder }: SourceOptions): DerivationSource {
  const physicalStore = join(storeRoot === '' ? '/' : resolve(storeRoot), storeDir);
  const derivations = folder === undefined ? physicalStore : resolve(folder);

  return {
    storeDir,
    pack: (base, candidates, file, signal) =>
      packSource(`${storeDir}/${base}`, join(physicalStore, base), candidates, file, signal),
    resolve: (argument) => {
      const base = basename(argument);
      const place = dirname(argument);
      const refuse = (hint: string | undefined) =>
        new CliError('not-a-derivation', `expected a derivation (${storeDir}/<hash>-<name>.drv), got ${argument}`, {
          hint,
          exitCode: 2,
        });
      if (place === guixStoreDir && storeDir !== guixStoreDir) throw refuse('--guix is for derivations of Guix');
      if (place === '/nix/store' && storeDir === guixStoreDir)
        throw refuse('those of Nix go without --guix, in a submission of their own');
      if (isDerivationName(base)) {
        const elsewhere = argument.includes('/') && ![storeDir, physicalStore, derivations].includes(resolve(place));
        if (!elsewhere) return base;
      }
      const target = basename(followed(argument, storeDir));
      if (isDerivationName(target)) return target;
      const evaluated = evaluatedHint(argument);
      throw refuse(evaluated ?? (folder === undefined ? 'for files in a folder, give --derivations DIR' : undefined));
    },
    read(base) {
      try {
        return readFileSync(join(derivations, base));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw new CliError('unreadable', `cannot read ${join(derivations, base)}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    },
  };
}

function isDerivationName(base: string): boolean {
  return base.endsWith('.drv') && base[32] === '-' && isHashPart(base.slice(0, 32)) && isValidName(base.slice(33));
}

/** For what is no derivation yet, as it is named to `nix build` and `nix-build`. */
function evaluatedHint(path: string): string | undefined {
  const file = quoted(path);
  if (path.endsWith('.nix') && existsSync(path)) return `to have it evaluated: drover submit --expr ${file}`;
  const isFlake = path.includes('#') || existsSync(join(path, 'flake.nix'));
  return isFlake ? `for a flake: drover submit --flake ${file}` : undefined;
}

function followed(path: string, storeDir: string): string {
  try {
    return realpathSync(path);
  } catch {
    // As a package is named to 'guix build'.
    const hint =
      storeDir === guixStoreDir && !path.includes('/')
        ? `for a package: guix build -d ${path} | drover submit --guix -, or -e EXPRESSION`
        : evaluatedHint(path);
    throw new CliError('not-found', `there is no ${path}`, { hint, exitCode: 2 });
  }
}
