import type { FolderTask } from './folder-writer.ts';

/** What a coordinator tells the process that writes a folder. */
export type ToFolder =
  /** The first message. */
  | {
      readonly kind: 'open';
      readonly folder: string;
      readonly log: string;
      readonly cacheInfo: string;
      /** Something was written there before. */
      readonly begun: boolean;
      /** The coordinator's pool, whose files are read there. */
      readonly pool: string;
    }
  | { readonly kind: 'apply'; readonly id: number; readonly task: FolderTask }
  /** `error`: it cannot be said now. */
  | { readonly kind: 'answer'; readonly id: number; readonly text?: string | undefined; readonly error?: string };

/** What that process says. */
export type FromFolder =
  /** An `apply` is over. */
  | { readonly kind: 'done'; readonly id: number; readonly error?: string }
  /** It does not go on: the folder cannot be written to. */
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'ask'; readonly id: number; readonly what: 'narinfo' | 'lack'; readonly of: string }
  | { readonly kind: 'say'; readonly message: string }
  | { readonly kind: 'doubt'; readonly path: string };
