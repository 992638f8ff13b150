import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { buildFoldersOf } from '../../../adapters/builder/nix/build-folders.ts';
import type { House } from '../house.ts';

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** What should be gone where the farm rests, and is not yet: of uploads, attempts and builds. */
export function leftovers({ farm, agents }: House): string[] {
  // Of those that were published a record stays, for whoever sends them again.
  const found = names(join(farm.data, 'pool/uploads')).flatMap((id) =>
    existsSync(join(farm.data, 'pool/uploads', id, 'part')) ? [`an upload: ${id}`] : [],
  );
  for (const { name, root } of agents) {
    const state = join(root, '../state');
    for (const folder of ['attempts', 'damaged'])
      for (const one of names(join(state, folder)))
        if (!one.startsWith('.probe')) found.push(`${name}, ${folder}: ${one}`);
    // Locks of Nix itself are empty files that its own garbage collector takes.
    for (const one of names(join(root, 'nix/store')))
      if (/\.(chroot|tmp)|^\.?tmp/.test(one)) found.push(`${name}, in its store: ${one}`);
    for (const one of names(join(root, 'nix/var/nix/builds'))) found.push(`${name}, a folder of a build: ${one}`);
    for (const one of names(join(root, 'nix/var/nix/gcroots/auto'))) found.push(`${name}, a root: ${one}`);
  }
  for (const { cmdline, pid } of processesOf(farm.folder))
    if (/^(\/bin\/sh -c|\/bin\/sleep|\/bin\/cat) /.test(cmdline)) found.push(`a builder: process ${pid}, ${cmdline}`);
  return found;
}

/** Once agents and the coordinator have stopped. */
export function remains({ farm, agents }: House): string[] {
  const found = processesOf(farm.folder).map(({ pid, cmdline }) => `process ${pid}: ${cmdline}`);
  for (const { name, root } of agents) {
    const folder = buildFoldersOf(root);
    for (const one of names(folder)) found.push(`${name}: ${join(folder, one)}`);
  }
  const temporary = readdirSync(farm.data, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && /\.(tmp|new|part)\b|~$/.test(file.name))
    .map((file) => `a temporary file: ${join(file.parentPath, file.name)}`);
  return [...found, ...temporary];
}

/** Processes that work in the folder, were started for it, or show it to a builder. */
function processesOf(folder: string): { readonly pid: number; readonly cmdline: string }[] {
  const found: { pid: number; cmdline: string }[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const cmdline = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      const root = readlinkSync(`/proc/${pid}/root`);
      if ([cmdline, environment, root].some((text) => text.includes(folder))) found.push({ pid, cmdline });
    } catch {
      // It is gone, or a stranger's.
    }
  }
  return found;
}
