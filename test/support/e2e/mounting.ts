import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why no file system can be mounted here, or `false` if one can: it needs root, and more than a container often gives. */
export const noMounting: string | false = (() => {
  const path = mkdtempSync(join(tmpdir(), 'drover-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path], { stdio: 'ignore' });
    execFileSync('umount', [path], { stdio: 'ignore' });
    return false;
  } catch {
    return 'this user cannot mount a tmpfs';
  } finally {
    rmdirSync(path);
  }
})();
