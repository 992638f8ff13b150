/** Of an error that the same request may not meet again a little later. */
export interface MayPass {
  /** Whether the request was turned away, so that it has surely done nothing. */
  readonly untouched: boolean;
  /** Milliseconds after which the coordinator wants to be asked again, where it has said so. */
  readonly afterMs?: number | undefined;
}

/** Where the system lets this user not do what was asked. */
export const deniedHint = 'run this as a user who may, as that of the coordinator for its data folder';

/** Something that the user is told in a sentence or two, without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  /** Stable, for programs: the coordinator's problem code, or one of ours. */
  readonly code: string;
  /** Lines below the message, with what it speaks of. */
  readonly details: string | undefined;
  /** What to try next. */
  readonly hint: string | undefined;
  /** 1: it failed; 2: it was asked wrongly. */
  readonly exitCode: 1 | 2;
  /** Given where waiting may help. */
  readonly mayPass: MayPass | undefined;

  constructor(
    code: string,
    message: string,
    {
      hint,
      details,
      exitCode = 1,
      mayPass,
      cause,
    }: {
      hint?: string | undefined;
      details?: string | undefined;
      exitCode?: 1 | 2;
      mayPass?: MayPass | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
    this.details = details;
    this.exitCode = exitCode;
    this.mayPass = mayPass;
  }
}
