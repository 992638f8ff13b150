import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type EncodedFile, encodedFile } from './encodings.ts';

export interface DashboardFile extends EncodedFile {
  /** Its media type. */
  readonly type: string;
  /** Of its bytes, with quotes, as ETag has it. */
  readonly tag: string;
}

/** The files of the dashboard, held in memory: what is asked for later is looked up by name, and never on the disk. */
export interface DashboardFiles {
  /** `index.html`, which every page is. */
  readonly page: DashboardFile;
  /** A file of `assets/`, whose name changes with its content. */
  asset(name: string): DashboardFile | undefined;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The files, or why there are none. */
export type Dashboard =
  | { readonly files: DashboardFiles }
  /** `isDamaged`: something is there, and not all of it as it was made. */
  | { readonly files: undefined; readonly problem: string; readonly isDamaged: boolean };

/**
 * Reads the folder that the dashboard was made in (`npm run setup`, `npm run build`): `index.html` and `assets/`, without what is of no type that it
 * has. A page that names what is not there, or has other bytes than it says, would stay empty in every browser: then there are none.
 */
export async function readDashboard(folder: string): Promise<Dashboard> {
  const assets = new Map<string, ReadFile>();
  try {
    const page = await read(join(folder, 'index.html'));
    const names = (await readdir(join(folder, 'assets'))).filter((name) => types[extname(name)] !== undefined);
    const files = await Promise.all(
      names.map(async (name) => [name, await read(join(folder, 'assets', name))] as const),
    );
    for (const [name, file] of files) assets.set(name, file);
    const damage = damageOf(page, assets);
    if (damage !== undefined) return damaged(damage);
    return { files: { page, asset: (name) => assets.get(name) } };
  } catch (error) {
    const { code, path, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && path === join(folder, 'index.html'))
      return {
        files: undefined,
        problem: `the pages of the dashboard were not made when the coordinator was started: ${howMade}`,
        isDamaged: false,
      };
    return damaged(message);
  }
}

const howMade = '`npm run setup` makes them in a clone, `npm run build` for the package; then start it again';
const damaged = (how: string): Dashboard => ({
  files: undefined,
  problem: `the pages of the dashboard were damaged when the coordinator was started (${how}): remove dist/web, and ${howMade}`,
  isDamaged: true,
});

/** What of the files that the page names is not as it says; `undefined` where all is. */
function damageOf(page: ReadFile, assets: ReadonlyMap<string, ReadFile>): string | undefined {
  const elements = [...page.text().matchAll(/<(?:link|script) [^>]*>/g)].map(([element]) => element);
  if (!elements.some((element) => element.startsWith('<script '))) return 'index.html names no script';
  for (const element of elements) {
    const name = / (?:href|src)="\/assets\/([^"]*)"/.exec(element)?.[1];
    if (name === undefined) continue;
    const file = assets.get(name);
    if (file === undefined) return `assets/${name} is not there`;
    const expected = / integrity="([^"]*)"/.exec(element)?.[1];
    if (expected !== undefined && expected !== file.integrity)
      return `assets/${name} has other bytes than when it was made`;
  }
  return undefined;
}

interface ReadFile extends DashboardFile {
  /** As an element that names it has it. Source: Subresource Integrity, section 3.1. */
  readonly integrity: string;
  text(): string;
}

async function read(path: string): Promise<ReadFile> {
  const bytes = await readFile(path);
  const hash = createHash('sha256').update(bytes).digest();
  return {
    type: types[extname(path)] ?? 'application/octet-stream',
    tag: `"${hash.toString('base64url').slice(0, 22)}"`,
    integrity: `sha256-${hash.toString('base64')}`,
    text: () => bytes.toString(),
    ...encodedFile(bytes),
  };
}
