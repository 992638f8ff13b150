import type { UploadRefusal } from '../../../coordinator/ports/pool.ts';
import { uploadMemoryBytes } from '../../../domain/limits.ts';
import { dropSession, type Upload } from './upload.ts';

/** What the uploads that are being verified, or were a moment ago, may hold in memory, in bytes. */
export interface MemoryLimits {
  readonly total: number;
  /** Of the uploads of one owner. */
  readonly perOwner: number;
}

export interface SessionBudget {
  /**
   * Makes room for an upload that is about to be written, and counts it. Verifiers that nobody writes to give way, oldest
   * first: their uploads read the file again when they go on. A refusal where those that are being written fill the room.
   */
  admit(upload: Upload): UploadRefusal | undefined;
  /** The upload is not being written any more. Its verifier, if it still has one, is kept as long as there is room. */
  rest(upload: Upload): void;
}

export function createSessionBudget(limits: MemoryLimits): SessionBudget {
  /** Uploads with a verifier, those that came to rest first in front. */
  const open = new Set<Upload>();

  const bytesOf = ({ record: { declaration } }: Upload): number =>
    uploadMemoryBytes(declaration.compression, declaration.narSize);

  function held(owner?: string): number {
    let sum = 0;
    for (const upload of open) if (owner === undefined || upload.record.owner === owner) sum += bytesOf(upload);
    return sum;
  }

  /** Ends verifiers at rest until `need` more bytes fit; false if that is not enough. */
  function makeRoom(need: number, most: number, owner?: string): boolean {
    let used = held(owner);
    for (const upload of open) {
      if (used + need <= most) break;
      if (upload.writing !== undefined || (owner !== undefined && upload.record.owner !== owner)) continue;
      dropSession(upload);
      open.delete(upload);
      used -= bytesOf(upload);
    }
    return used + need <= most;
  }

  return {
    admit(upload) {
      const { owner } = upload.record;
      open.delete(upload);
      const need = bytesOf(upload);
      const refuse = (most: number, whose: string, setting: string): UploadRefusal => ({
        code: 'too-many-uploads',
        message: `expected uploads ${whose} to need at most ${most} bytes of memory at a time (setting ${setting}), and this one would need ${need} more; go on a little later`,
      });
      if (!makeRoom(need, limits.perOwner, owner))
        return refuse(limits.perOwner, 'of one token', 'limits.token-upload-memory-bytes');
      if (!makeRoom(need, limits.total)) return refuse(limits.total, 'of all', 'limits.upload-memory-bytes');
      open.add(upload);
      return undefined;
    },
    rest(upload) {
      open.delete(upload);
      if (upload.session !== undefined && !upload.gone) open.add(upload);
    },
  };
}
