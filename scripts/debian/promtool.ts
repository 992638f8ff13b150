import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { suitesFolder } from './suites.ts';

/** Where `npm run setup -- --promtool` unpacks promtool, Prometheus's own checker, for all clones. */
export function unpackedPromtool(environment: NodeJS.ProcessEnv = process.env): string {
  return join(suitesFolder(environment), 'promtool');
}

/** promtool of the machine, or the one that was unpacked; `undefined` where there is none. */
export function findPromtool(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const onPath = (environment.PATH ?? '').split(delimiter).map((folder) => join(folder, 'promtool'));
  return [...onPath, unpackedPromtool(environment)].find((file) => existsSync(file));
}
