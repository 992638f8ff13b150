import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Skipped } from '../row.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** A package of the peers' own `package.json`, installed there if it is not yet; nobody else needs these. */
export async function importPeer(name: string): Promise<Record<string, unknown>> {
  const installed = `${folder}node_modules/.package-lock.json`;
  const lock = `${folder}package-lock.json`;
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
    console.log('  installing the npm packages of the peers into bench/peers/node_modules');
    try {
      execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
        cwd: folder,
        stdio: 'pipe',
        timeout: 120_000,
      });
    } catch (error) {
      throw new Skipped(`npm could not install ${name} in bench/peers: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  const entry = createRequire(`${folder}package.json`).resolve(name);
  const module = (await import(pathToFileURL(entry).href)) as { default?: Record<string, unknown> };
  return { ...module.default, ...module };
}
