/** The coordinator refused. `code` is one of docs/errors.md and stays; the message is for people and may change. */
export class DroverProblem extends Error {
  override readonly name: string = 'DroverProblem';
  readonly code: string;
  /** HTTP status. */
  readonly status: number;
  /** The whole problem document (RFC 9457), with what a code has beside these. */
  readonly problem: Readonly<Record<string, unknown>>;
  /** Milliseconds after which to ask again, where the answer says so. */
  readonly retryAfter: number | undefined;
  constructor(code: string, status: number, message: string, problem: object, retryAfter?: number) {
    super(message);
    this.code = code;
    this.status = status;
    this.problem = { ...problem };
    this.retryAfter = retryAfter;
  }
}

/** No answer came, or one that is not a coordinator's. */
export class DroverUnreachable extends Error {
  override readonly name: string = 'DroverUnreachable';
}

/** Whether the same request may be answered later: the coordinator is away, starting, or has too much to do. */
export function isPassing(error: unknown): boolean {
  if (error instanceof DroverProblem) return error.status === 429 || (error.status >= 502 && error.status <= 504);
  return error instanceof DroverUnreachable;
}
