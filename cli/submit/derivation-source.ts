import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isHashPart, isValidName } from '../../domain/store/store-path.ts';
import { CliError } from '../output/cli-error.ts';

/** Where `.drv` files and sources are read from: a store, perhaps a chroot store, or a folder of `.drv` files. */
export interface DerivationSource {
  readonly storeDir: string;
  /** Base name of what the user named: a store path, a file, a link to one, or a base name. Throws a {@link CliError}. */
  resolve(argument: string): string;
  /** Text of a derivation, `undefined` if it is not here. */
  read(base: string): Uint8Array | undefined;
  /** Where a store item would lie on this machine. */
  physicalPath(base: string): string;
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
    physicalPath: (base) => join(physicalStore, base),
    resolve: (argument) => {
      const base = basename(argument);
      const place = dirname(argument);
      if (isDerivationName(base)) {
        const elsewhere = argument.includes('/') && ![storeDir, physicalStore, derivations].includes(resolve(place));
        if (!elsewhere) return base;
      }
      const target = basename(followed(argument));
      if (isDerivationName(target)) return target;
      throw new CliError('not-a-derivation', `expected a derivation (${storeDir}/<hash>-<name>.drv), got ${argument}`, {
        hint: folder === undefined ? 'for files in a folder, give --derivations DIR' : undefined,
        exitCode: 2,
      });
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

function followed(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    throw new CliError('not-found', `there is no ${path}`, { exitCode: 2 });
  }
}
