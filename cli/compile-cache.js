// Node strips what it loads of its types and compiles it at each start: that is most of the time of a short command. With a
// compile cache it does so once. Plain JavaScript, as the cache has to be there before the first file with types.
import { mkdirSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Has what is loaded from now on, by worker threads and children too, kept in the user's own cache folder; does nothing where there is none,
 * or where the user has chosen another by NODE_COMPILE_CACHE or none by NODE_DISABLE_COMPILE_CACHE.
 */
export function useCompileCache() {
  if (process.env.NODE_COMPILE_CACHE || process.env.NODE_DISABLE_COMPILE_CACHE) return;
  try {
    const home = homedir();
    // What is in there is run. Not the home of another user, as `sudo` may leave it, who could write it.
    if (statSync(home).uid !== process.getuid?.()) return;
    const folder = join(process.env.XDG_CACHE_HOME || join(home, '.cache'), 'drover', 'compiled');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    enableCompileCache(folder);
    process.env.NODE_COMPILE_CACHE = folder;
  } catch {
    // No home, or none that can be written: it takes longer, that is all.
  }
}
