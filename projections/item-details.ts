import type { StoreItem } from '../domain/item/events.ts';
import { decodeNixBase32, encodeNixBase32 } from '../domain/store/nix-base32.ts';
import type { Availability } from './availability.ts';
import type { Graph, Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/**
 * What a narinfo says of each item that is present or unpublished: of all that have their file in the pool. In memory, because a narinfo has to be there the moment an agent is told to fetch it, and
 * packed into columns, because there are millions.
 */
export interface ItemDetails {
  /** @param at when it was published, milliseconds since the Unix epoch. */
  set(item: Item, details: StoreItem, at: number): void;
  clear(item: Item): void;
  /** The same object as long as nothing of it changes, for items that were asked for not long ago: what is made of it can be kept by it. */
  get(item: Item): StoreItem | undefined;
  /** SHA-256 of the NAR, as `sha256:…`; cheaper than all of {@link get}. */
  narHash(item: Item): string | undefined;
  /** When it was published, milliseconds since the Unix epoch; 0 for an item that has no file. */
  addedAt(item: Item): number;
  /** Size of its file in bytes; 0 for an item that has none. */
  fileSize(item: Item): number;
  /** An item whose NAR is in the file with this hash (`sha256:…`). */
  byFile(hash: string): Item | undefined;
  /** All items whose NAR is in the file. */
  itemsOfFile(hash: string): readonly Item[];
}

/** Objects that are kept: some 2 kB each. */
const mostRecent = 4096;

const hashBytes = 32;
const prefix = 'sha256:';

export function createItemDetails(
  graph: Graph,
  availability: Availability,
  memory: Memory = createMemory(),
): ItemDetails {
  const rows = memory.map<Item, number>('rows');
  const byFile = memory.map<number, Item>('byFile');
  /** Items beyond the first that are in one file: the same bytes at several paths. */
  const sharing = memory.map<number, Set<Item>>('sharing');
  const free = memory.list<number>('free');
  const hashes = memory.bytes('hashes', 64 * 1024); // NAR hash and file hash of each row.
  const sizes = memory.floats('sizes'); // NAR size and file size of each row.
  const added = memory.floats('added'); // When each row's item was published.
  const extras = memory.list<Extra | undefined>('extras');

  /** Made of the columns, so that nothing is lost with them; oldest first. */
  const recent = new Map<Item, { readonly details: StoreItem; readonly referencesKey: unknown }>();

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
    added.push(0);
    return row;
  }

  const fileHash = (row: number): string => readHash(row * 2 * hashBytes + hashBytes);

  function isIn(item: Item, hash: string): boolean {
    const row = rows.get(item);
    return row !== undefined && fileHash(row) === hash;
  }

  function hold(file: number, item: Item): void {
    const first = byFile.get(file);
    if (first === undefined) byFile.set(file, item);
    else if (first !== item) sharing.set(file, (sharing.get(file) ?? new Set()).add(item));
  }
  function release(file: number, item: Item): void {
    const others = sharing.get(file);
    others?.delete(item);
    if (byFile.get(file) === item) {
      const [next] = others ?? [];
      if (next === undefined) byFile.delete(file);
      else byFile.set(file, next);
      if (next !== undefined) others?.delete(next);
    }
    if (others?.size === 0) sharing.delete(file);
  }

  function read(item: Item, row: number, extra: Extra): StoreItem {
    const path = graph.itemPath(item);
    const references = availability.references(item).map((reference) => graph.itemPath(reference));
    if (extra.refersToItself) references.push(path);
    return {
      path,
      ...(extra.storeDir !== undefined && { storeDir: extra.storeDir }),
      narHash: readHash(row * 2 * hashBytes),
      narSize: sizes.values[row * 2] as number,
      references: references.sort(),
      ...(extra.deriver !== undefined && { deriver: extra.deriver }),
      ...(extra.ca !== undefined && { ca: extra.ca }),
      file: {
        hash: fileHash(row),
        size: sizes.values[row * 2 + 1] as number,
        compression: extra.compressed ? 'zstd' : 'none',
      },
      signatures: [...extra.signatures],
      ...(extra.guixSignature !== undefined && { guixSignature: extra.guixSignature }),
    };
  }

  return {
    set(item, details, at) {
      recent.delete(item);
      const before = rows.get(item);
      const row = before ?? free.pop() ?? newRow();
      rows.set(item, row);
      if (before !== undefined) release(shortHash(fileHash(row)), item);
      hold(shortHash(details.file.hash), item);
      writeHash(row * 2 * hashBytes, details.narHash);
      writeHash(row * 2 * hashBytes + hashBytes, details.file.hash);
      added.values[row] = at;
      sizes.values[row * 2] = details.narSize;
      sizes.values[row * 2 + 1] = details.file.size;
      const { storeDir, deriver, ca, signatures, guixSignature, references } = details;
      extras[row] = {
        storeDir,
        deriver,
        ca,
        signatures,
        guixSignature,
        refersToItself: references.includes(details.path),
        compressed: details.file.compression === 'zstd',
      };
    },
    clear(item) {
      const row = rows.get(item);
      if (row === undefined) return;
      recent.delete(item);
      rows.delete(item);
      release(shortHash(fileHash(row)), item);
      extras[row] = undefined;
      free.push(row);
    },
    get(item) {
      const row = rows.get(item);
      const extra = row === undefined ? undefined : extras[row];
      if (row === undefined || !extra) return undefined;
      const referencesKey = availability.referencesKey(item);
      const kept = recent.get(item);
      if (kept?.referencesKey === referencesKey && kept !== undefined) return kept.details;
      const details = read(item, row, extra);
      const [oldest] = recent.size >= mostRecent ? recent.keys() : [];
      if (oldest !== undefined) recent.delete(oldest);
      recent.set(item, { details, referencesKey });
      return details;
    },
    narHash(item) {
      const row = rows.get(item);
      return row === undefined ? undefined : readHash(row * 2 * hashBytes);
    },
    addedAt(item) {
      const row = rows.get(item);
      return row === undefined ? 0 : (added.values[row] as number);
    },
    fileSize(item) {
      const row = rows.get(item);
      return row === undefined ? 0 : (sizes.values[row * 2 + 1] as number);
    },
    byFile(hash) {
      const item = byFile.get(shortHash(hash));
      return item !== undefined && isIn(item, hash) ? item : undefined;
    },
    itemsOfFile(hash) {
      const first = byFile.get(shortHash(hash));
      return [...(first === undefined ? [] : [first]), ...(sharing.get(shortHash(hash)) ?? [])].filter((item) =>
        isIn(item, hash),
      );
    },
  };
}

/** The last 45 bits as a number: a key of eight bytes instead of fifty. Two files share one as good as never, and are told apart. */
function shortHash(hash: string): number {
  let value = 0;
  for (let index = hash.length - 9; index < hash.length; index++)
    value = value * 32 + '0123456789abcdfghijklmnpqrsvwxyz'.indexOf(hash[index] as string);
  return value;
}

interface Extra {
  readonly storeDir: string | undefined;
  readonly deriver: string | undefined;
  readonly ca: string | undefined;
  readonly signatures: readonly string[];
  readonly guixSignature: string | undefined;
  readonly refersToItself: boolean;
  readonly compressed: boolean;
}
