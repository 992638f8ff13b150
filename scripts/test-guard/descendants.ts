import { readdirSync, readFileSync } from 'node:fs';

export interface Descendant {
  readonly pid: number;
  readonly command: string;
}

/** The processes that a process has started, and those of them in turn; none where the system does not show them in /proc. */
export function descendants(pid: number): readonly Descendant[] {
  const parents = new Map(processes().map((id) => [id, parentOf(id)]));
  const found = new Set([pid]);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const [id, parent] of parents) if (parent !== undefined && found.has(parent)) found.add(id);
  }
  found.delete(pid);
  return [...found].map((id) => ({ pid: id, command: commandOf(id) }));
}

function processes(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** `undefined` where it has ended meanwhile. */
function parentOf(pid: number): number | undefined {
  try {
    // Its name, in brackets, may hold anything; after it come its state and its parent.
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ')[1]);
  } catch {
    return undefined;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 300);
  } catch {
    return '(ended)';
  }
}
