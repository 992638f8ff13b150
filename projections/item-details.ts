import type { StoreItem } from '../domain/item/events.ts';
import { decodeNixBase32, encodeNixBase32 } from '../domain/store/nix-base32.ts';
import { bytes, floats } from './column.ts';
import type { Availability } from './availability.ts';
import type { Graph, Item } from './graph.ts';

/**
 * What a narinfo says of each present item. In memory, because a narinfo has to be there the moment an agent is told to fetch it, and
 * packed into columns, because there are millions.
 */
export interface ItemDetails {
  set(item: Item, details: StoreItem): void;
  clear(item: Item): void;
  get(item: Item): StoreItem | undefined;
  /** SHA-256 of the NAR, as `sha256:…`; cheaper than all of {@link get}. */
  narHash(item: Item): string | undefined;
  /** File hashes (`sha256:…`) of all items that are kept. */
  fileHashes(): Set<string>;
}

const hashBytes = 32;
const prefix = 'sha256:';

export function createItemDetails(graph: Graph, availability: Availability): ItemDetails {
  const rows = new Map<Item, number>();
  const free: number[] = [];
  const hashes = bytes(64 * 1024); // NAR hash and file hash of each row.
  const sizes = floats(); // NAR size and file size of each row.
  const extras: (Extra | undefined)[] = [];

  function readHash(offset: number): string {
    return prefix + encodeNixBase32(hashes.values.subarray(offset, offset + hashBytes));
  }
  function writeHash(offset: number, text: string): void {
    hashes.values.set(decodeNixBase32(text.slice(prefix.length)), offset);
  }
  function newRow(): number {
    const row = extras.push(undefined) - 1;
    for (let i = 0; i < 2 * hashBytes; i++) hashes.push(0);
    sizes.push(0);
    sizes.push(0);
    return row;
  }

  return {
    set(item, details) {
      const row = rows.get(item) ?? free.pop() ?? newRow();
      rows.set(item, row);
      writeHash(row * 2 * hashBytes, details.narHash);
      writeHash(row * 2 * hashBytes + hashBytes, details.file.hash);
      sizes.values[row * 2] = details.narSize;
      sizes.values[row * 2 + 1] = details.file.size;
      const { deriver, ca, signatures, references } = details;
      extras[row] = {
        deriver,
        ca,
        signatures,
        refersToItself: references.includes(details.path),
        compressed: details.file.compression === 'zstd',
      };
    },
    clear(item) {
      const row = rows.get(item);
      if (row === undefined) return;
      rows.delete(item);
      extras[row] = undefined;
      free.push(row);
    },
    get(item) {
      const row = rows.get(item);
      const extra = row === undefined ? undefined : extras[row];
      if (row === undefined || !extra) return undefined;
      const path = graph.itemPath(item);
      const references = availability.references(item).map((reference) => graph.itemPath(reference));
      if (extra.refersToItself) references.push(path);
      return {
        path,
        narHash: readHash(row * 2 * hashBytes),
        narSize: sizes.values[row * 2] as number,
        references: references.sort(),
        ...(extra.deriver !== undefined && { deriver: extra.deriver }),
        ...(extra.ca !== undefined && { ca: extra.ca }),
        file: {
          hash: readHash(row * 2 * hashBytes + hashBytes),
          size: sizes.values[row * 2 + 1] as number,
          compression: extra.compressed ? 'zstd' : 'none',
        },
        signatures: [...extra.signatures],
      };
    },
    narHash(item) {
      const row = rows.get(item);
      return row === undefined ? undefined : readHash(row * 2 * hashBytes);
    },
    fileHashes: () => new Set([...rows.values()].map((row) => readHash(row * 2 * hashBytes + hashBytes))),
  };
}

interface Extra {
  readonly deriver: string | undefined;
  readonly ca: string | undefined;
  readonly signatures: readonly string[];
  readonly refersToItself: boolean;
  readonly compressed: boolean;
}
