import type { CheckWish, FileFault, UploadRefusal } from '../../../coordinator/ports/pool.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { parseSha256 } from '../../../domain/store/hash-text.ts';
import { createLimit } from '../../runtime/limit.ts';
import type { Layout } from './layout.ts';
import { statFile } from './published-files.ts';
import { Refused } from './refused.ts';
import { isMissing, isUnreadable } from './system-error.ts';
import { identityOf, type VerifiedFiles } from './verified-files.ts';
import type { Verifiers } from './verifiers.ts';

type Checked = Omit<StoreItem, 'signatures'>;

/** What a file is refused for that an earlier version may have let in. */
const newerRules: ReadonlySet<string> = new Set<UploadRefusal['code']>(['wrong-compression', 'malformed-nar']);
const absent: FileFault = { kind: 'absent', message: 'expected its file in the pool, got none' };
/** Files that are read at a time. */
const mostAtOnce = 4;

/**
 * Checks published files against what is said of them; see `Pool.check`. What the system says of a file that cannot be read at the moment is thrown:
 * it is no fault of the file.
 */
export function createFileCheck(layout: Layout, verifiers: Verifiers, verified: VerifiedFiles) {
  const limited = createLimit(mostAtOnce);
  const reading = new Map<string, Promise<FileFault | undefined>>();

  /** Whoever asks once more, because the answer takes long, waits for the same reading instead of beginning another. */
  async function joined(key: string, work: () => Promise<FileFault | undefined>): Promise<FileFault | undefined> {
    const running = reading.get(key) ?? work().finally(() => reading.delete(key));
    reading.set(key, running);
    return running;
  }

  async function readAll(path: string, item: Checked, wish: CheckWish): Promise<FileFault | undefined> {
    const { narHash, narSize, references, file } = item;
    // What has a content address may have references that are not in its bytes: its path vouches for them.
    const scan = item.ca === undefined ? { scan: [] } : {};
    const expected = { narHash, narSize, references, compression: file.compression, ...scan };
    try {
      const { fileHash } = await verifiers.check(path, expected, wish);
      if (fileHash === file.hash) return undefined;
      return { kind: 'damaged', message: `expected a file with ${file.hash}, got ${fileHash}` };
    } catch (error) {
      if (error instanceof Refused) {
        const { code, message } = error.refusal;
        if (code === 'wrong-references') return { kind: code, message };
        // What was verified by the rules of its time is not wrong by newer ones, if it is the same still.
        if (newerRules.has(code) && (await isUnchanged(path, file.hash))) return undefined;
        return { kind: 'damaged', message };
      }
      if (isMissing(error)) return absent;
      if (isUnreadable(error)) return { kind: 'unreadable', message: (error as Error).message };
      throw error;
    }
  }

  async function isUnchanged(path: string, hash: string): Promise<boolean> {
    const hex = await verifiers.hash({ path, compression: 'none', algo: 'sha256', flat: false });
    return hex === Buffer.from(parseSha256(hash)).toString('hex');
  }

  /** @param path where it is, if not where published ones are. */
  return async (
    item: Checked,
    wish: CheckWish = {},
    path: string = layout.nar(item.file),
  ): Promise<FileFault | undefined> => {
    for (;;) {
      const before = await statFile(path);
      if (before === undefined) return absent;
      if (Number(before.size) !== item.file.size)
        return { kind: 'wrong-size', message: `expected a file of ${item.file.size} bytes, got one of ${before.size}` };
      if (wish.how === 'size' || (wish.how === 'recent' && verified.has(path, before))) return undefined;
      const read = () => limited(() => readAll(path, item, wish));
      const isShared = wish.how === 'recent' && wish.signal === undefined;
      const fault = await (isShared ? joined(JSON.stringify([identityOf(before), item]), read) : read());
      if (fault === undefined) {
        verified.add(path, before);
        return undefined;
      }
      // Another may have come in its place while it was read.
      const after = await statFile(path);
      if (after !== undefined && identityOf(after) === identityOf(before)) return fault;
    }
  };
}
