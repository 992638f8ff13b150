import type { FolderForm } from './folder-form.ts';
import type { FolderTask } from './folder-writer.ts';

/** What a coordinator tells the process that writes a folder. */
export type ToFolder =
  /** The first message. */
  | {
      readonly kind: 'open';
      readonly folder: string;
      readonly log: string;
      readonly form: FolderForm;
      readonly cacheInfo: string;
      /** Something was written there before. */
      readonly begun: boolean;
      /** The coordinator's pool, whose files are read there. */
      readonly pool: string;
    }
  | { readonly kind: 'apply'; readonly id: number; readonly task: FolderTask }
  /** `error`: it cannot be said now. */
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly text?: string | undefined;
      readonly bytes?: Uint8Array | undefined;
      readonly error?: string;
    };

/** What that process says. */
export type FromFolder =
  /** An `apply` is over. */
  | { readonly kind: 'done'; readonly id: number; readonly error?: string }
  /** It does not go on: the folder cannot be written to. */
  | { readonly kind: 'failed'; readonly error: string }
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly what: 'narinfo' | 'guix-narinfo' | 'lack';
      readonly of: string;
    }
  /** The NAR of what only an upstream has, by its URL; the answer has a text where it is there. */
  | { readonly kind: 'open'; readonly id: number; readonly url: string }
  /** The next bytes of the NAR that was opened by that question; the answer has none at its end. */
  | { readonly kind: 'read'; readonly id: number; readonly nar: number }
  /** Nobody reads it any more. */
  | { readonly kind: 'close'; readonly nar: number }
  | { readonly kind: 'say'; readonly message: string }
  | { readonly kind: 'doubt'; readonly path: string };
