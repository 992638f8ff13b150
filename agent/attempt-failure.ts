import type { FailureClass } from '../domain/build/failure-class.ts';
import { isBuilderError } from './ports/builder.ts';
import { isTransferError } from './ports/transfer-error.ts';

export interface AttemptFailure {
  readonly class: FailureClass;
  readonly message: string;
}

/** Whether the builder said that the store of this machine is damaged as a whole. */
export function saysStoreDamaged(error: unknown): boolean {
  return isBuilderError(error) && error.storeDamaged;
}

/** Whether the machine's own daemon did not get what it was told to fetch: the cache, as the agent sees it, has it. */
export function saysDaemonCannotFetch(error: unknown): boolean {
  return isBuilderError(error) && error.failure === 'fetch-failed';
}

/** What the messages of the link take. */
const maxMessage = 4096;

/** What the coordinator says of an output that no machine could deliver: the next try would have the same bytes refused. */
const refusedOutput: ReadonlySet<string> = new Set(['malformed-nar', 'too-large']);

/** The class of an error that ended an attempt; `transfer` is that of a transfer that failed. */
export function failureOf(error: unknown, transfer: 'fetch-failed' | 'upload-failed'): AttemptFailure {
  const message = shorten(error instanceof Error ? error.message : String(error));
  if (isDiskFull(error)) return { class: 'disk-full', message };
  if (isBuilderError(error)) return { class: error.failure, message };
  if (isTransferError(error)) {
    const refused = transfer === 'upload-failed' && refusedOutput.has(error.code);
    return { class: refused ? 'rejected' : transfer, message };
  }
  if (error instanceof Error && error.name === 'FormatError') return { class: transfer, message };
  return { class: 'agent-error', message };
}

export function isDiskFull(error: unknown): boolean {
  if (isBuilderError(error)) return error.code === 'disk-full';
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** The end of a long message says most, and its beginning what it is about. */
export function shorten(message: string): string {
  if (message.length <= maxMessage) return message;
  const half = Math.floor((maxMessage - 5) / 2);
  return `${message.slice(0, half)}\n…\n${message.slice(-half)}`;
}
