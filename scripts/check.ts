/** `npm run check`: types, lint and format, layers. Runs all of them and exits 1 if any complains. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { checkLayers } from './layering.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
let failed = 0;

function report(name: string, ok: boolean, started: number): void {
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  if (!ok) failed++;
}

function program(name: string, script: string, args: readonly string[]): void {
  const started = performance.now();
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  report(name, status === 0, started);
}

program('types (tsc)', 'node_modules/typescript/bin/tsc', ['-p', '.']);
program('types of the dashboard (tsc)', 'node_modules/typescript/bin/tsc', ['-p', 'web']);
program('lint and format (biome)', 'node_modules/@biomejs/biome/bin/biome', [
  'check',
  '--error-on-warnings',
  '--diagnostic-level=warn',
  '.',
]);

const started = performance.now();
const violations = checkLayers(root);
for (const { file, line, message } of violations) console.error(`${file}:${line}: ${message}`);
report('layers', violations.length === 0, started);

process.exit(failed === 0 ? 0 : 1);
