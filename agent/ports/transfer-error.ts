/** A request to the coordinator that did not succeed. `code` survives copies of the package. */
export class TransferError extends Error {
  override readonly name = 'TransferError';
  /** The coordinator's error code, or `network` where there was no answer. */
  readonly code: string;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** Where the upload goes on, if the coordinator said so. */
  readonly offset: number | undefined;
  /** Full path of the store item whose bytes were wrong each time that they were fetched. */
  readonly damaged: string | undefined;
  constructor(
    code: string,
    message: string,
    details: { status?: number; offset?: number | undefined; damaged?: string } = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.status = details.status ?? 0;
    this.offset = details.offset;
    this.damaged = details.damaged;
  }
}

export function isTransferError(error: unknown): error is TransferError {
  return error instanceof Error && error.name === 'TransferError' && 'code' in error && 'status' in error;
}

/**
 * Whether the coordinator is away (no answer, one of a proxy in its place, starting, its event store is away) or has no room or no time
 * now, or is still busy with what came of the same upload before. That is nobody's failure: whoever asked waits, for as long as it takes.
 */
export function isAway(error: unknown): boolean {
  return isTransferError(error) && (awayStatuses.has(error.status) || error.code === 'upload-busy');
}

/** No answer; too many requests; bad gateway, unavailable, gateway timeout; insufficient storage. */
const awayStatuses: ReadonlySet<number> = new Set([0, 429, 502, 503, 504, 507]);

/** Whether the same request may succeed later: no answer, an overloaded or restarting coordinator. */
export function mayPass(error: unknown): boolean {
  if (!isTransferError(error)) return false;
  // Another token may be in use by then; where there is none, the link ends the agent, and what it has fails by nothing.
  if (error.status === 401) return true;
  return isAway(error) || error.status >= 500;
}
