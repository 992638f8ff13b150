import { excerpt, FormatError } from './format-error.ts';
import { invalidEntryName, invalidTarget, narLimits, narMagic } from './nar-limits.ts';

/** A file system object to be written as a NAR. Names and targets given as text are written in UTF-8. */
export type NarNode = NarDirectory | NarFile | NarSymlink;

export interface NarDirectory {
  readonly type: 'directory';
  /** The entries with their names in byte order. Called once. */
  readonly entries: () => AsyncIterable<readonly [name: string | Uint8Array, node: NarNode]>;
}

export interface NarFile {
  readonly type: 'regular';
  readonly executable: boolean;
  /** Bytes that `contents` gives in all. */
  readonly size: number;
  /** Called once. A chunk must not be changed before the consumer of the NAR is done with it. */
  readonly contents: () => AsyncIterable<Uint8Array>;
}

export interface NarSymlink {
  readonly type: 'symlink';
  readonly target: string | Uint8Array;
}

interface OpenDirectory {
  readonly entries: AsyncIterator<readonly [string | Uint8Array, NarNode]>;
  previous: string | undefined;
}

/** Small pieces are gathered until they come to this many bytes. */
const gatherSize = 64 * 1024;

/**
 * Writes a tree as a NAR, chunk by chunk.
 *
 * @throws FormatError `malformed-nar` when names are not in byte order or not allowed, the tree is too deep, a target
 *   is not allowed, or a file gives more or fewer bytes than its size. What was written so far is then no NAR.
 */
export async function* writeNar(root: NarNode): AsyncGenerator<Uint8Array, void, undefined> {
  const open: OpenDirectory[] = [];
  let gathered: Uint8Array[] = [words(narMagic)];
  let gatheredSize = 0;

  try {
    let node: NarNode | undefined = root;
    while (node !== undefined) {
      if (node.type === 'directory') {
        put(directoryOpen);
        open.push({ entries: node.entries()[Symbol.asyncIterator](), previous: undefined });
      } else if (node.type === 'symlink') {
        put(words('(', 'type', 'symlink', 'target', checkedTarget(node.target), ')'));
        if (open.length > 0) put(close);
      } else {
        put(node.executable ? executableOpen : fileOpen);
        yield* writeContents(node);
        put(open.length > 0 ? closeTwice : close);
      }
      node = await nextNode();
      if (gatheredSize >= gatherSize) yield flush();
    }
    yield flush();
  } finally {
    for (const directory of open.reverse()) await directory.entries.return?.();
  }

  /** Opens the next entry, closing the directories that have no more; `undefined` when the tree is done. */
  async function nextNode(): Promise<NarNode | undefined> {
    for (let directory = open.at(-1); directory !== undefined; directory = open.at(-1)) {
      const next = await directory.entries.next();
      if (!next.done) {
        const [name, node] = next.value;
        put(words('entry', '(', 'name', checkedName(name, directory), 'node'));
        return node;
      }
      open.pop();
      put(open.length > 0 ? closeTwice : close);
    }
    return undefined;
  }

  function checkedName(name: string | Uint8Array, directory: OpenDirectory): Buffer {
    const bytes = toBytes(name);
    const text = bytes.toString('latin1');
    const reason = invalidEntryName(text, narLimits);
    if (reason !== undefined) throw malformed(`expected an entry name, got ${reason}`);
    if (directory.previous !== undefined && text <= directory.previous) {
      throw malformed(`expected a name after ${excerpt(directory.previous)} in byte order, got ${excerpt(text)}`);
    }
    if (open.length > narLimits.depth) throw malformed(`expected a depth of at most ${narLimits.depth}, got more`);
    directory.previous = text;
    return bytes;
  }

  async function* writeContents(file: NarFile): AsyncGenerator<Uint8Array, void, undefined> {
    put(lengthField(file.size));
    let left = file.size;
    for await (const chunk of file.contents()) {
      left -= chunk.length;
      if (left < 0) break;
      put(chunk);
      if (gatheredSize >= gatherSize) yield flush();
    }
    if (left !== 0) throw malformed(`expected a file of ${file.size} bytes, got ${left < 0 ? 'more' : 'fewer'}`);
    put(zeros.subarray(0, paddingOf(file.size)));
  }

  function put(bytes: Uint8Array): void {
    gathered.push(bytes);
    gatheredSize += bytes.length;
  }

  function flush(): Uint8Array {
    const all = gathered.length === 1 ? (gathered[0] as Uint8Array) : Buffer.concat(gathered);
    gathered = [];
    gatheredSize = 0;
    return all;
  }
}

const zeros: Uint8Array = new Uint8Array(8);
const directoryOpen = words('(', 'type', 'directory');
const fileOpen = words('(', 'type', 'regular', 'contents');
const executableOpen = words('(', 'type', 'regular', 'executable', '', 'contents');
const close = words(')');
const closeTwice = words(')', ')');

function checkedTarget(target: string | Uint8Array): Buffer {
  const bytes = toBytes(target);
  const reason = invalidTarget(bytes.toString('latin1'), narLimits);
  if (reason !== undefined) throw malformed(`expected a symbolic link's target, got ${reason}`);
  return bytes;
}

/** The strings, each with its length in front and padded to a multiple of 8. */
function words(...strings: (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    strings.flatMap((string) => {
      const bytes = toBytes(string);
      return [lengthField(bytes.length), bytes, zeros.subarray(0, paddingOf(bytes.length))];
    }),
  );
}

function lengthField(length: number): Uint8Array {
  const field = Buffer.alloc(8);
  field.writeBigUInt64LE(BigInt(length));
  return field;
}

function paddingOf(length: number): number {
  return (8 - (length % 8)) % 8;
}

function toBytes(text: string | Uint8Array): Buffer {
  return typeof text === 'string' ? Buffer.from(text) : Buffer.from(text.buffer, text.byteOffset, text.byteLength);
}

function malformed(message: string): FormatError {
  return new FormatError('malformed-nar', message);
}
