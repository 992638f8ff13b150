/**
 * The dashboard as a browser loads it: one script, one style sheet, by names that change with what is in them. See docs/decisions/0069-the-dashboard-is-a-client.md.
 * Run as a program, it makes `dist/web` anew where that is older than what it is made of.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Bundle, packagesOf } from './bundle.ts';
import { licencesOf } from './licences.ts';
import { writeFiles } from './write-files.ts';

/** Texts by their paths in the folder: `index.html`, and `assets/`, which it names. */
export async function bundleWeb(root: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [
      { in: 'web/main.tsx', out: 'dashboard' },
      { in: 'web/style.css', out: 'style' },
    ],
    outdir: 'out',
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    sourcemap: true,
    metafile: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    alias: { 'drover/client': join(root, 'client/index.ts') },
    legalComments: 'none',
  });
  const files = new Map<string, string | Uint8Array>();
  /** What the page names: addresses, and what their bytes are known by. */
  const named = new Map<string, string>();
  for (const { path, contents } of outputFiles) {
    const name = basename(path);
    files.set(`assets/${name}`, contents);
    const what = name.endsWith('.js') ? 'script' : name.endsWith('.css') ? 'style' : undefined;
    if (what === undefined) continue;
    named.set(what, `/assets/${name}`);
    named.set(`${what}Hash`, `sha256-${createHash('sha256').update(contents).digest('base64')}`);
  }
  const icon = readFileSync(join(root, 'web/icon.svg'));
  const iconName = `icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8)}.svg`;
  files.set(`assets/${iconName}`, icon);
  named.set('icon', `/assets/${iconName}`);
  const page = readFileSync(join(root, 'web/index.html'), 'utf8');
  files.set(
    'index.html',
    page.replace(/%(\w+)%/g, (_, name: string) => named.get(name) as string),
  );
  return { files, packages: packagesOf(Object.keys(metafile.inputs)) };
}

/** What it is made of. */
const sources = '{web/**/*.{ts,tsx,css,html,svg},client/*.ts,scripts/web.ts,package-lock.json}';

/** Makes `dist/web`, where it is not there or older. */
export async function makeWeb(root: string): Promise<void> {
  const made = join(root, 'dist/web/index.html');
  const newest = Math.max(...globSync(sources, { cwd: root }).map((file) => statSync(join(root, file)).mtimeMs));
  if (existsSync(made) && statSync(made).mtimeMs >= newest) return;
  const { files, packages } = await bundleWeb(root);
  rmSync(join(root, 'dist/web'), { recursive: true, force: true });
  writeFiles(join(root, 'dist/web'), new Map([...files, ['LICENSES', licencesOf(root, packages, 'dist/web')]]));
}

if (import.meta.filename === process.argv[1]) await makeWeb(fileURLToPath(new URL('..', import.meta.url)));
