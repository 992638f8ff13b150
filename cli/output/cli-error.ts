/** Something that the user is told in a sentence or two, without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  /** Stable, for programs: the coordinator's problem code, or one of ours. */
  readonly code: string;
  /** What to try next. */
  readonly hint: string | undefined;
  /** 1: it failed; 2: it was asked wrongly. */
  readonly exitCode: 1 | 2;

  constructor(
    code: string,
    message: string,
    { hint, exitCode = 1, cause }: { hint?: string | undefined; exitCode?: 1 | 2; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
