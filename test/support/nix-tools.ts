import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why Nix's own tools cannot be compared with here, or `false` if they can. */
export const noNixTools: string | false = (() => {
  try {
    execFileSync('nix-store', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'nix-store is not installed';
  }
})();

/** Runs a tool of Nix without substituters and gives its standard output; throws with its messages when it fails. */
export function runNix(command: string, args: readonly string[], input: Uint8Array | string = ''): Buffer {
  return execFileSync(command, args, {
    input,
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NIX_CONFIG: 'substituters =\nexperimental-features = nix-command\n' },
  });
}

/** A new folder that goes with its contents at the end of the scope. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'drover-store-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
