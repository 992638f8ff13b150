import { Buffer } from 'node:buffer';
import type { StoreItem, UnsignedItem } from '../domain/item/events.ts';
import { decodeNixBase32, encodeNixBase32 } from '../domain/store/nix-base32.ts';
import { hashPartLength } from '../domain/store/store-path.ts';
import type { Availability } from './availability.ts';
import type { Column } from './column.ts';
import type { Drv, Graph, Item } from './graph.ts';
import { createHashIndex } from './hash-index.ts';
import { createMemory, type Memory } from './memory.ts';
import { createRecent } from './recent.ts';

/**
 * A store item, but that of a signature which is alone only the beginning is kept: whoever has the key makes the same one again, as Ed25519 signs
 * the same text in one way only, and the log has all of it.
 */
export type HeldItem = UnsignedItem & { readonly signed: Signed };

/** All signatures, or how the only one begins: the name of its key, ":" and so much of it that no other begins like it. */
export type Signed = { readonly all: readonly string[] } | { readonly begins: string };

/**
 * What a narinfo says of each item that is present or unpublished: of all that have their file in the pool. In memory, because a narinfo has to be there the moment an agent is told to fetch it, and
 * packed into columns, because there are millions.
 */
export interface ItemDetails {
  /** @param at when it was published, milliseconds since the Unix epoch. */
  set(item: Item, details: StoreItem, at: number): void;
  clear(item: Item): void;
  /** The same object as long as nothing of it changes, for items that were asked for not long ago: what is made of it can be kept by it. */
  get(item: Item): HeldItem | undefined;
  /** SHA-256 of the NAR, as `sha256:…`; cheaper than all of {@link get}. */
  narHash(item: Item): string | undefined;
  /** When it was published, milliseconds since the Unix epoch; 0 for an item that has no file. */
  addedAt(item: Item): number;
  /** Size of its file in bytes; 0 for an item that has none. */
  fileSize(item: Item): number;
  /** Size of all files in bytes, each counted once. */
  readonly fileBytes: number;
  /** The derivation goes from the graph: those of its outputs that name it as what made them keep its name. */
  forgetDeriver(drv: Drv): void;
  /** An item whose NAR is in the file with this hash (`sha256:…`). */
  byFile(hash: string): Item | undefined;
  /** All items whose NAR is in the file. */
  itemsOfFile(hash: string): readonly Item[];
}

/** Objects that are kept for certain: some 2 kB each. */
const mostRecent = 2048;

const hashBytes = 32;
const prefix = 'sha256:';
/** Of Ed25519; and those that are kept, as many as fill characters of base64. */
const signatureBytes = 64;
const beginningBytes = 9;
/** Of a packed one for Guix, with its public point (domain/guix/packed-signature.ts). */
const guixSignatureBytes = 96;

const compressedFlag = 1;
const toItselfFlag = 2;
const guixSignatureFlag = 4;
/** Of the rows of one file, this one is found by it. */
const firstFlag = 8;
const none = -1;
const drvSuffix = '.drv';
/** Bytes of a hash part. */
const partBytes = 20;
/** In a byte: a deriver that has not the name of the item, or signatures that are kept as they are. */
const notNamed = 255;

export function createItemDetails(
  graph: Graph,
  availability: Availability,
  memory: Memory = createMemory(),
): ItemDetails {
  const rowOf = memory.ints('rowOf'); // Of each item; -1 for none.
  const itemOf = memory.ints('itemOf'); // Of each row; -1 for a free one.
  const nextOfFile = memory.ints('nextOfFile'); // Rows whose items are in one file, the same bytes at several paths, are a ring.
  const previousOfFile = memory.ints('previousOfFile');
  const free = memory.list<number>('free');
  const hashes = memory.bytes('hashes', 64 * 1024); // NAR hash and file hash of each row.
  const sizes = memory.floats('sizes'); // NAR size and file size of each row.
  const added = memory.floats('added'); // When each row's item was published.
  const flags = memory.bytes('flags');
  const deriver = memory.ints('deriver'); // Where the graph has it.
  // Of each row whose deriver the graph has no more: the hash part of that, and by how much its name is shorter than the item's; as long as the
  // last row that has one needs.
  const deriverPart = memory.bytes('deriverPart', 0);
  const deriverCut = memory.bytes('deriverCut', 0);
  const keyNames = memory.list<string>('keyNames');
  const signedBy = memory.bytes('signedBy'); // Place of the key's name, where there is one signature, of that key.
  const beginning = memory.bytes('beginning', 16 * 1024); // Of that signature.
  const guixSignature = memory.bytes('guixSignature', 0); // As long as the last row that has one needs.
  /** What few rows have, or have otherwise. */
  const rare = memory.map<number, Rare>('rare');

  /** Made of the columns, so that nothing is lost with them; oldest first. */
  const recent = createRecent<Item, { readonly details: HeldItem; readonly referencesKey: unknown }>(mostRecent);

  function readHash(offset: number): string {
    return prefix + encodeNixBase32(hashes.values.subarray(offset, offset + hashBytes));
  }
  function writeHash(offset: number, text: string): void {
    hashes.values.set(decodeNixBase32(text.slice(prefix.length)), offset);
  }
  function newRow(): number {
    const row = itemOf.push(none);
    nextOfFile.push(row);
    previousOfFile.push(row);
    lengthen(hashes, 2 * hashBytes);
    lengthen(beginning, beginningBytes);
    lengthen(sizes, 2);
    added.push(0);
    flags.push(0);
    deriver.push(none);
    signedBy.push(notNamed);
    return row;
  }

  const rowOfItem = (item: Item): number | undefined => {
    const row = item < rowOf.length ? (rowOf.values[item] as number) : none;
    return row === none ? undefined : row;
  };
  const fileHash = (row: number): string => readHash(fileAt(row));

  /** Four bytes of the hash of the file, which are as good as any. */
  const keyAt = (values: Uint8Array, at: number): number =>
    (values[at] as number) |
    ((values[at + 1] as number) << 8) |
    ((values[at + 2] as number) << 16) |
    ((values[at + 3] as number) << 24);
  const fileAt = (row: number): number => row * 2 * hashBytes + hashBytes;
  const fileKey = (row: number): number => keyAt(hashes.values, fileAt(row));
  const byFile = createHashIndex(
    memory,
    'byFile',
    () => itemOf.length,
    (row) => (((flags.values[row] as number) & firstFlag) !== 0 ? fileKey(row) : undefined),
  );
  let fileBytes = 0;
  memory.part<number>('fileBytes', {
    save: () => fileBytes,
    load(saved) {
      fileBytes = saved;
    },
  });

  function firstOfFile(bytes: Uint8Array): number | undefined {
    return byFile.find(keyAt(bytes, 0), (row) => {
      const start = fileAt(row);
      for (let at = 0; at < hashBytes; at++) if (hashes.values[start + at] !== bytes[at]) return false;
      return true;
    });
  }

  /** @param hash as somebody has written it: no file has one that is none. */
  function firstNamed(hash: string): number | undefined {
    let bytes: Uint8Array;
    try {
      bytes = decodeNixBase32(hash.slice(prefix.length));
    } catch {
      return undefined;
    }
    return bytes.length === hashBytes ? firstOfFile(bytes) : undefined;
  }

  /** Puts the row among those of its file, whose hash is written. */
  function join(row: number): void {
    const first = firstOfFile(hashes.values.subarray(fileAt(row), fileAt(row) + hashBytes));
    if (first === undefined) return stand(row);
    const next = nextOfFile.values[first] as number;
    nextOfFile.values[first] = row;
    previousOfFile.values[row] = first;
    nextOfFile.values[row] = next;
    previousOfFile.values[next] = row;
  }

  function stand(row: number): void {
    flags.values[row] = (flags.values[row] as number) | firstFlag;
    byFile.enter(fileKey(row), row);
    fileBytes += sizes.values[row * 2 + 1] as number;
  }

  /** Takes the row from among those of its file, while its hash is written. */
  function leave(row: number): void {
    const next = nextOfFile.values[row] as number;
    const previous = previousOfFile.values[row] as number;
    nextOfFile.values[previous] = next;
    previousOfFile.values[next] = previous;
    nextOfFile.values[row] = row;
    previousOfFile.values[row] = row;
    if (((flags.values[row] as number) & firstFlag) === 0) return;
    byFile.remove(fileKey(row), row);
    fileBytes -= sizes.values[row * 2 + 1] as number;
    flags.values[row] = (flags.values[row] as number) & ~firstFlag;
    if (next !== row) stand(next);
  }

  /** `notNamed` where there are too many keys. */
  function placeOfKey(name: string): number {
    const known = keyNames.indexOf(name);
    if (known !== -1) return known;
    return keyNames.length < notNamed ? keyNames.push(name) - 1 : notNamed;
  }

  /** @returns whether the columns say of the signatures what is kept of them. */
  function writeSignature(row: number, signatures: readonly string[]): boolean {
    const [only = '', ...others] = signatures;
    const colon = only.indexOf(':');
    const bytes = Buffer.from(only.slice(colon + 1), 'base64');
    const isUsual =
      bytes.length === signatureBytes && others.length === 0 && only.endsWith(`:${bytes.toString('base64')}`);
    const key = isUsual ? placeOfKey(only.slice(0, colon)) : notNamed;
    signedBy.values[row] = key;
    if (key === notNamed) return false;
    beginning.values.set(bytes.subarray(0, beginningBytes), row * beginningBytes);
    return true;
  }

  const textOf = (values: Uint8Array, row: number, width: number): string =>
    Buffer.from(values.buffer, values.byteOffset + row * width, width).toString('base64');

  /** Of an item with this name, that was made by what the graph has no more. */
  function formerDeriver(row: number, path: string): string | undefined {
    const cut = row < deriverCut.length ? (deriverCut.values[row] as number) : notNamed;
    if (cut === notNamed) return undefined;
    const part = encodeNixBase32(deriverPart.values.subarray(row * partBytes, (row + 1) * partBytes));
    return `${part}${path.slice(hashPartLength, path.length - cut)}${drvSuffix}`;
  }

  /** Writes down the deriver so that it is read as it was. */
  function keepDeriver(row: number, item: Item, name: string): void {
    const path = graph.itemPath(item);
    const cut = path.length - (name.length - drvSuffix.length);
    const isUsual =
      cut >= 0 &&
      cut < notNamed &&
      name.slice(hashPartLength) === `${path.slice(hashPartLength, path.length - cut)}${drvSuffix}`;
    if (!isUsual) return void rare.set(row, { ...rare.get(row), deriver: name });
    if (deriverCut.length <= row) {
      const more = row + 1 - deriverCut.length;
      lengthen(deriverPart, more * partBytes);
      deriverCut.reserve(more);
      deriverCut.values.fill(notNamed, deriverCut.length, row + 1);
      deriverCut.length = row + 1;
    }
    deriverPart.values.set(decodeNixBase32(name.slice(0, hashPartLength)), row * partBytes);
    deriverCut.values[row] = cut;
  }

  function read(item: Item, row: number): HeldItem {
    const path = graph.itemPath(item);
    const flag = flags.values[row] as number;
    const key = signedBy.values[row] as number;
    const drv = deriver.values[row] as number;
    const { storeDir, ca, deriver: other, signatures = [] } = rare.get(row) ?? nothing;
    const madeBy = drv === none ? (other ?? formerDeriver(row, path)) : graph.drvPath(drv);
    const references = availability.references(item).map((reference) => graph.itemPath(reference));
    if ((flag & toItselfFlag) !== 0) references.push(path);
    return {
      path,
      ...(storeDir !== undefined && { storeDir }),
      narHash: readHash(row * 2 * hashBytes),
      narSize: sizes.values[row * 2] as number,
      references: references.sort(),
      ...(madeBy !== undefined && { deriver: madeBy }),
      ...(ca !== undefined && { ca }),
      file: {
        hash: fileHash(row),
        size: sizes.values[row * 2 + 1] as number,
        compression: (flag & compressedFlag) !== 0 ? 'zstd' : 'none',
      },
      signed:
        key === notNamed
          ? { all: [...signatures] }
          : { begins: `${keyNames[key]}:${textOf(beginning.values, row, beginningBytes)}` },
      ...((flag & guixSignatureFlag) !== 0 && {
        guixSignature: textOf(guixSignature.values, row, guixSignatureBytes),
      }),
    };
  }

  /** The derivation with this name, if the item is an output of it. */
  function makerNamed(item: Item, name: string): Drv | undefined {
    const drv = graph.drvOf(name);
    let isMade = false;
    if (drv !== undefined)
      graph.eachOutput(drv, (one) => {
        isMade ||= one === item;
      });
    return isMade ? drv : undefined;
  }

  return {
    forgetDeriver(drv) {
      graph.eachOutput(drv, (item) => {
        const row = rowOfItem(item);
        if (row === undefined || deriver.values[row] !== drv) return;
        deriver.values[row] = none;
        keepDeriver(row, item, graph.drvPath(drv));
      });
    },
    set(item, details, at) {
      recent.delete(item);
      const before = rowOfItem(item);
      if (before !== undefined) leave(before);
      const row = before ?? free.pop() ?? newRow();
      while (rowOf.length <= item) rowOf.push(none);
      rowOf.values[item] = row;
      itemOf.values[row] = item;
      writeHash(row * 2 * hashBytes, details.narHash);
      writeHash(fileAt(row), details.file.hash);
      added.values[row] = at;
      sizes.values[row * 2] = details.narSize;
      sizes.values[row * 2 + 1] = details.file.size;
      const { storeDir, ca, signatures, references } = details;
      flags.values[row] =
        (details.file.compression === 'zstd' ? compressedFlag : 0) |
        (references.includes(details.path) ? toItselfFlag : 0) |
        (details.guixSignature !== undefined ? guixSignatureFlag : 0);
      join(row);
      if (details.guixSignature !== undefined) {
        const end = (row + 1) * guixSignatureBytes;
        if (guixSignature.length < end) lengthen(guixSignature, end - guixSignature.length);
        guixSignature.values.set(Buffer.from(details.guixSignature, 'base64'), row * guixSignatureBytes);
      }
      const drv = details.deriver === undefined ? undefined : makerNamed(item, details.deriver);
      deriver.values[row] = drv ?? none;
      if (row < deriverCut.length) deriverCut.values[row] = notNamed;
      const few: Rare = {
        ...(storeDir !== undefined && { storeDir }),
        ...(ca !== undefined && { ca }),
        ...(drv === undefined && details.deriver !== undefined && { deriver: details.deriver }),
        ...(!writeSignature(row, signatures) && signatures.length > 0 && { signatures }),
      };
      if (Object.keys(few).length > 0) rare.set(row, few);
      else rare.delete(row);
    },
    clear(item) {
      const row = rowOfItem(item);
      if (row === undefined) return;
      recent.delete(item);
      leave(row);
      rowOf.values[item] = none;
      itemOf.values[row] = none;
      rare.delete(row);
      free.push(row);
    },
    get(item) {
      const row = rowOfItem(item);
      if (row === undefined) return undefined;
      const referencesKey = availability.referencesKey(item);
      const kept = recent.get(item);
      if (kept?.referencesKey === referencesKey && kept !== undefined) return kept.details;
      const details = read(item, row);
      recent.set(item, { details, referencesKey });
      return details;
    },
    get fileBytes() {
      return fileBytes;
    },
    narHash(item) {
      const row = rowOfItem(item);
      return row === undefined ? undefined : readHash(row * 2 * hashBytes);
    },
    addedAt(item) {
      const row = rowOfItem(item);
      return row === undefined ? 0 : (added.values[row] as number);
    },
    fileSize(item) {
      const row = rowOfItem(item);
      return row === undefined ? 0 : (sizes.values[row * 2 + 1] as number);
    },
    byFile(hash) {
      const row = firstNamed(hash);
      return row === undefined ? undefined : itemOf.values[row];
    },
    itemsOfFile(hash) {
      const found: Item[] = [];
      const first = firstNamed(hash);
      if (first === undefined) return found;
      let row = first;
      do {
        found.push(itemOf.values[row] as Item);
        row = nextOfFile.values[row] as number;
      } while (row !== first);
      return found;
    },
  };
}

/** By so many zeros. */
function lengthen(column: Column<Uint8Array | Float64Array>, more: number): void {
  column.reserve(more);
  column.length += more;
}

interface Rare {
  readonly storeDir?: string;
  readonly deriver?: string;
  readonly ca?: string;
  /** Where there is not just one, or it is of another kind. */
  readonly signatures?: readonly string[];
}
const nothing: Rare = {};
