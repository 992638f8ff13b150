import { CliError } from './cli-error.ts';

const hints: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there; choose another --listen',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'the user that runs Drover may not do this; check the owner of the data folder, or take a port above 1023',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  'in-use': 'another coordinator runs on this data folder; stop it first',
  'read-only': 'the data folder, or the log in it, cannot be written to; check the owner',
  'disk-full': 'make room on the disk of the data folder',
  damaged: 'docs/operating.md, "Back up the log", says how to restore',
  'other-log':
    'give --store the event store that this data folder was made with, or another --data; docs/operating.md, "Back up the log", says how to restore',
  'views-unusable': 'the views are made from the log: what is in their place can be removed',
  'log-behind': 'docs/operating.md, "Back up the log", says how to restore, and what it means to go on without',
  'newer-schema': 'the data folder was written by a newer Drover; use that one',
};

/** What is told of a coordinator that did not start, or had to stop by itself (`running`); bugs keep their stack. */
export function startError(
  error: unknown,
  { data, listen }: { readonly data: string; readonly listen: string },
  running = false,
): unknown {
  if (!(error instanceof Error) || error instanceof CliError) return error;
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') return error;
  const message =
    code === 'EADDRINUSE'
      ? `cannot listen on ${listen}: the address is in use`
      : `${running ? 'cannot go on with' : 'cannot start on'} ${data}: ${error.message}`;
  return new CliError(code, message, { hint: hints[code], cause: error });
}
