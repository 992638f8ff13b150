/** A cache folder cannot be written to as it is; the message says to whoever looks after it what is in the way. */
export class FolderError extends Error {
  override readonly name: string = 'FolderError';
}
