/** What ends, or removes, what must not outlive this process. */
const ends = new Set<() => void>();

process.on('exit', () => {
  for (const end of ends) end();
});
// By itself a signal ends a process without its exit being told.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1));

/** Has `end` called at the end of this process, whatever ends it, as long as it can still do something. Returns what takes that back. */
export function endWithUs(end: () => void): () => void {
  ends.add(end);
  return () => void ends.delete(end);
}
