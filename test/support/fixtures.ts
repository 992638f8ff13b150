import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NamedDerivation } from './guix-graph.ts';

const folder = fileURLToPath(new URL('../fixtures', import.meta.url));

/** A file of `test/fixtures`. */
export function readFixture(path: string): Promise<Buffer> {
  return readFile(join(folder, path));
}

/** The files of a folder of `test/fixtures` with the given ending, sorted by name. */
export async function readFixtures(path: string, ending: string): Promise<NamedDerivation[]> {
  const names = (await readdir(join(folder, path))).filter((name) => name.endsWith(ending)).sort();
  return Promise.all(names.map(async (name) => ({ name, bytes: await readFixture(`${path}/${name}`) })));
}

/** The fixture of `derivations` with this name, whatever its hash. */
export async function readDerivation(name: string): Promise<NamedDerivation> {
  const found = (await readFixtures('derivations', '.drv')).find((each) => each.name.slice(33) === `${name}.drv`);
  if (found === undefined) throw new Error(`test/fixtures/derivations has no ${name}.drv`);
  return found;
}

/** `assert.throws` expectation for a FormatError with this code whose message matches. */
export function formatError(code: string, message: RegExp = /expected .+, got /s) {
  return { name: 'FormatError', code, message };
}
