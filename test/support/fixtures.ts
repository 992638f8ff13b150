import { readdir, readFile } from 'node:fs/promises';
import type { NamedDerivation } from './guix-graph.ts';

const folder = new URL('../fixtures/', import.meta.url);

/** A file of `test/fixtures`. */
export function readFixture(path: string): Promise<Buffer> {
  return readFile(new URL(path, folder));
}

/** The files of a folder of `test/fixtures` with the given ending, sorted by name. */
export async function readFixtures(path: string, ending: string): Promise<NamedDerivation[]> {
  const names = (await readdir(new URL(path, folder))).filter((name) => name.endsWith(ending)).sort();
  return Promise.all(names.map(async (name) => ({ name, bytes: await readFixture(`${path}/${name}`) })));
}

/** `assert.throws` expectation for a FormatError with this code whose message matches. */
export function formatError(code: string, message: RegExp = /expected .+, got /s) {
  return { name: 'FormatError', code, message };
}
