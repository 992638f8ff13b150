/** Writes the manual pages to dist/man, for the package that npm makes: `npm run build`. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { manPages } from './docs/man.ts';

const folder = new URL('../dist/man/', import.meta.url);
// https://reproducible-builds.org/specs/source-date-epoch/
const { SOURCE_DATE_EPOCH: seconds } = process.env;
const date = seconds ? new Date(Number(seconds) * 1000) : new Date();

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [name, text] of manPages(date.toISOString().slice(0, 10))) writeFileSync(new URL(name, folder), text);
