/**
 * Has the process end where nobody reads what it prints (`drover builds list | head`): quietly, as that is no failure; and with a sentence
 * where it cannot be written, as on a full disk, because what is there is not all.
 */
export function endWithOutput({ stdout, stderr }: Pick<NodeJS.Process, 'stdout' | 'stderr'>): void {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    stderr.write(`drover: standard output cannot be written, so it is not whole: ${error.message} (${error.code})\n`);
    process.exit(1);
  });
  // Whom should that be told?
  stderr.on('error', () => {});
}
