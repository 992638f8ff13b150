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

/**
 * Reads the folder that the dashboard was made in (`npm run setup`, `npm run build`): `index.html` and `assets/`, without what is of no type that it
 * has.
 *
 * @returns `undefined` where it was not made
 */
export async function readDashboard(folder: string): Promise<DashboardFiles | undefined> {
  const assets = new Map<string, DashboardFile>();
  try {
    const page = await read(join(folder, 'index.html'));
    const names = (await readdir(join(folder, 'assets'))).filter((name) => types[extname(name)] !== undefined);
    const files = await Promise.all(
      names.map(async (name) => [name, await read(join(folder, 'assets', name))] as const),
    );
    for (const [name, file] of files) assets.set(name, file);
    return { page, asset: (name) => assets.get(name) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function read(path: string): Promise<DashboardFile> {
  const bytes = await readFile(path);
  const tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { type: types[extname(path)] ?? 'application/octet-stream', tag, ...encodedFile(bytes) };
}
