import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Builder, SubstituteIntake } from '../../agent/ports/builder.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { type Derivation, serializeDerivation } from '../../domain/store/derivation.ts';
import { createDerivationHasher, type ModuloHash } from '../../domain/store/derivation-hash.ts';
import { type NarNode, writeNar } from '../../domain/store/nar-writer.ts';
import { sha256 } from '../../domain/store/sha256.ts';
import { makeFixedOutputPath, makeTextPath } from '../../domain/store/store-path.ts';
import { busyboxFolder } from './guix.ts';

/** A derivation with the paths that its text determines. */
export interface MadeDerivation {
  readonly derivation: Derivation;
  readonly derivationPath: string;
  readonly text: Uint8Array;
  readonly modulo: ModuloHash;
}

/** The NAR of a folder with Debian's static BusyBox as `bin/sh`. @param folder a temporary one. */
export async function busyboxNar(folder: string): Promise<Buffer> {
  const bytes = await readFile(join(await busyboxFolder(folder), 'bin/sh'));
  const shell: NarNode = {
    type: 'regular',
    executable: true,
    size: bytes.length,
    async *contents() {
      yield bytes;
    },
  };
  const folderOf = (name: string, node: NarNode): NarNode => ({
    type: 'directory',
    async *entries() {
      yield [name, node];
    },
  });
  return buffer(writeNar(folderOf('bin', folderOf('sh', shell))));
}

export interface GuixDerivationOptions {
  /** Where a shell is: an item with `bin/sh`. */
  readonly shell: string;
  readonly outputNames?: readonly string[];
  readonly env?: readonly (readonly [string, string])[];
  /** A fixed output: its contents, by their flat SHA-256; or its hash in hexadecimal, with `method` `r:` that of its NAR. */
  readonly fixed?: string | { readonly method: '' | 'r:'; readonly algo: 'sha256' | 'sha512'; readonly hash: string };
  /** Each is an input by its first output; its path is `$in0`, `$in1`. */
  readonly inputs?: readonly MadeDerivation[];
  readonly change?: Partial<Derivation>;
}

/** A derivation that runs `script` by the shell of an item. */
export function guixDerivation(name: string, script: string, options: GuixDerivationOptions): MadeDerivation {
  const { shell, outputNames = ['out'], env = [], fixed, inputs = [], change } = options;
  const flat = typeof fixed === 'string' ? sha256(fixed).toString('hex') : '';
  const { method, algo, hash } =
    typeof fixed === 'object' ? fixed : { method: '' as const, algo: 'sha256', hash: flat };
  const pathOf = new Map(inputs.map((one) => [one.derivationPath, one.modulo]));
  const hasher = createDerivationHasher({ storeDir: guixStoreDir, lookup: (path) => pathOf.get(path) });
  const made = (paths: ReadonlyMap<string, string>): Derivation => {
    const outputs = outputNames.map((output) => ({
      name: output,
      path: paths.get(output) ?? shell,
      hashAlgo: fixed === undefined ? '' : `${method}${algo}`,
      hash,
    }));
    const variables = [
      ...outputs.map((output) => [output.name, output.path] as const),
      ...inputs.map(({ derivation }, index) => [`in${index}`, derivation.outputs[0]?.path ?? ''] as const),
      ...env,
    ];
    return {
      outputs,
      inputDerivations: inputs
        .map(({ derivationPath, derivation }) => ({
          path: derivationPath,
          outputs: [derivation.outputs[0]?.name ?? 'out'],
        }))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
      inputSources: [shell],
      system: 'x86_64-linux',
      builder: `${shell}/bin/sh`,
      args: ['-c', script],
      env: variables.sort(([a], [b]) => (a < b ? -1 : 1)),
      ...change,
    };
  };
  const fixedPaths = new Map([['out', makeFixedOutputPath(name, method, algo, hash || '0'.repeat(64), guixStoreDir)]]);
  const hashOf = (derivation: Derivation) => {
    const hashes = hasher.hash(derivation, name);
    if ('failed' in hashes) throw new Error(`expected a derivation that can be hashed, got ${hashes.failed}`);
    return hashes;
  };
  const derivation = made(hashOf(made(fixed === undefined ? new Map() : fixedPaths)).outputPaths);
  const text = serializeDerivation(derivation);
  const references = [...derivation.inputSources, ...derivation.inputDerivations.map(({ path }) => path)].sort();
  return {
    derivation,
    derivationPath: makeTextPath(`${name}.drv`, sha256(text), references, guixStoreDir),
    text,
    modulo: hashOf(derivation).modulo,
  };
}

/** Adds its text to the store, as an agent does before it builds. */
export async function addDerivation(
  builder: Builder & { readonly intake: SubstituteIntake },
  { derivation, derivationPath, text }: MadeDerivation,
  signal: AbortSignal,
): Promise<void> {
  const references = [...derivation.inputSources, ...derivation.inputDerivations.map(({ path }) => path)];
  await builder.intake.addText(derivationPath.slice(guixStoreDir.length + 34), text, references, signal);
}
