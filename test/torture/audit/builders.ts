import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { insist } from '../../simulation/violation.ts';
import type { Recipe } from '../graph.ts';
import type { House } from '../house.ts';
import type { LogAudit } from './log.ts';

/** I4: what builders say of themselves. No builder ran that was no attempt's, and nothing counts as built that no builder made. */
export function auditBuilders({ farm }: House, { ledger }: LogAudit, recipes: readonly Recipe[]): void {
  const began = countsOf(join(farm.folder, 'gate/began'));
  const ended = countsOf(join(farm.folder, 'gate/ended'));
  const builds = Map.groupBy(ledger.builds.values(), ({ derivation }) => derivation);
  for (const { name, path } of recipes) {
    const of = builds.get(path.slice(0, 32)) ?? [];
    // Not the number of the last: one that was lost may be gone on with after later ones were begun.
    const attempts = of.reduce((sum, { agents }) => sum + agents.length, 0);
    const [begun, done] = [began.get(name) ?? 0, ended.get(name) ?? 0];
    const succeeded = of.find(({ results }) => [...results.values()].includes('succeeded'));
    insist(begun <= attempts, 'I4', `the builder of ${name} began ${begun} times, in ${attempts} attempts`);
    insist(done <= begun, 'I4', `the builder of ${name} came to its end ${done} times, and began ${begun} times`);
    insist(
      done > 0 || !succeeded,
      'I4',
      `${succeeded?.id} has succeeded, and the builder of ${name} never came to its end`,
    );
  }
}

/** How often each line is in the file, of which there is none before the first. */
function countsOf(file: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  if (!existsSync(file)) return counts;
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}
