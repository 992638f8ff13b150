import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the licences of packages ask for where their code is handed on: each with its version, its licence, and the text of that. */
export function licencesOf(root: string, packages: readonly string[], folder = 'dist/program'): string {
  const parts = packages.map((place) => {
    const folder = join(root, place);
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (typeof license !== 'string') throw new Error(`${folder}/package.json: expected license to be a string`);
    const texts = globSync('{LICEN[CS]E,licen[cs]e,COPYING,NOTICE}*', { cwd: folder }).sort();
    return [`${name} ${version} (${license})`, ...texts.map((file) => readFileSync(join(folder, file), 'utf8').trim())];
  });
  return [`${folder} has code of these packages.`, ...parts.map((part) => part.join('\n\n'))]
    .join(`\n\n${'-'.repeat(72)}\n\n`)
    .concat('\n');
}
