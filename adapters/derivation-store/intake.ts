import { constants, zstdCompressSync } from 'node:zlib';
import { Packr } from 'msgpackr';
import { verifyDerivation } from '../../domain/store/verify-derivation.ts';
import type { AddAnswer, Operations, WorkerOptions } from './protocol.ts';
import type { Tables } from './tables.ts';

/** Plain MessagePack maps, so that each row can be read by itself and by other programs. */
export const packer = new Packr({ useRecords: false });

/** Texts compressed together: large enough that they compress well, small enough that one text is soon had. */
const blockBytes = 128 * 1024;

/** Verifies and stores derivations in one transaction; those before one that is refused stay. */
export function addDerivations(
  tables: Tables,
  { storeDirs, limits }: Pick<WorkerOptions, 'storeDirs' | 'limits'>,
  { paths, lengths, texts }: Operations['add']['request'],
): AddAnswer {
  return tables.transaction(() => {
    const blocks = createBlockWriter(tables);
    let row = tables.nextRow();
    let added = 0;
    let refused: AddAnswer['refused'];
    let start = 0;
    for (const [index, path] of paths.entries()) {
      const text = texts.subarray(start, start + (lengths[index] as number));
      start += text.length;
      // The path is a hash of the text: one that is held is the same, whatever was sent.
      const known = tables.find(path);
      if (known?.held) continue;
      const storeDir = storeDirOf(text, storeDirs);
      const modulo = (input: string) => tables.find(input.slice(storeDir.length + 1))?.modulo;
      const verified = verifyDerivation(`${storeDir}/${path}`, text, {
        storeDir,
        firstStoreDir: storeDirs[0] as string,
        modulo,
        ...(limits && { limits }),
      });
      if (verified.refused !== undefined) {
        refused = { ...verified.refused, path };
        break;
      }
      const inputs = new Uint32Array(verified.derivation.inputDerivations.length);
      for (const [place, input] of verified.derivation.inputDerivations.entries()) {
        inputs[place] = tables.find(input.path.slice(storeDir.length + 1))?.row as number;
      }
      const place = blocks.put(text);
      added++;
      if (known !== undefined) {
        tables.replaceText(path, place);
        continue;
      }
      tables.insert({
        path,
        row,
        modulo: verified.modulo,
        ...place,
        inputs: inputs.sort(),
        facts: packer.pack(verified.facts),
      });
      row++;
    }
    blocks.flush();
    return { added, ...(refused && { refused }) };
  });
}

/** Of those that there are, the one in which the first output of the text is; the first where it is in none, which is refused then. */
function storeDirOf(text: Uint8Array, storeDirs: readonly string[]): string {
  const output = /^Derive\(\[\("[^"]*","([^"]*)\/[^"/]*"/.exec(
    Buffer.from(text.subarray(0, 4096)).toString('latin1'),
  )?.[1];
  return storeDirs.find((storeDir) => storeDir === output) ?? (storeDirs[0] as string);
}

function createBlockWriter(tables: Tables) {
  let block = tables.nextBlock();
  let parts: Uint8Array[] = [];
  let filled = 0;

  function flush(): void {
    if (parts.length === 0) return;
    tables.insertBlock(
      block,
      // With a checksum: a damaged text is not to be taken for another derivation.
      zstdCompressSync(Buffer.concat(parts), {
        params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
      }),
    );
    block++;
    parts = [];
    filled = 0;
  }

  return {
    flush,
    put(text: Uint8Array): { block: number; start: number; length: number } {
      if (filled > 0 && filled + text.length > blockBytes) flush();
      const place = { block, start: filled, length: text.length };
      parts.push(text);
      filled += text.length;
      return place;
    },
  };
}
