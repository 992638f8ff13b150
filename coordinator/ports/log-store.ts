/** Build logs, one per attempt, what their builders printed, in lines as the daemon gave them out. */
export interface LogStore extends AsyncDisposable {
  /** Bytes held of this attempt's log; 0 if there is none. */
  size(build: string, attempt: number): Promise<number>;
  /** Keeps `data` if it starts at or before the end of what is held (dropping the overlap); otherwise keeps nothing. Returns the size after. */
  append(build: string, attempt: number, offset: number, data: Uint8Array): Promise<number>;
  /** No more will come: compresses the log at leisure. */
  finish(build: string, attempt: number): Promise<void>;
  /** The log from byte `offset` on, decompressed; with `follow`, goes on until the log is finished or `signal` aborts. `undefined` if there is none. */
  read(
    build: string,
    attempt: number,
    options?: { offset?: number; follow?: boolean; signal?: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array> | undefined>;
}
