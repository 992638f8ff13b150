import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Plan } from '../plan.ts';
import type { Outcome } from '../run.ts';
import { type Plant, plants } from './plants.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const entry = join(root, 'test/simulation/run.ts');

/** What the file imports of ours. */
function importsOf(file: string): string[] {
  const found = readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+\.ts)'/g);
  return [...found].map(([, specifier]) => join(dirname(file), specifier as string));
}

/** Files from which each file is imported, of all that the simulation consists of. */
function importers(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>([[entry, new Set()]]);
  for (const [file] of found)
    for (const imported of importsOf(file)) found.set(imported, (found.get(imported) ?? new Set()).add(file));
  return found;
}

/** What has to be loaded anew for a changed file to be in use: it, and whatever imports it, directly or not. */
function affected(plant: Plant, by: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const all = new Set([join(root, plant.file)]);
  for (const file of all) for (const importer of by.get(file) ?? []) all.add(importer);
  if (!all.has(entry)) throw new Error(`${plant.file}: expected a file that the simulation loads`);
  return all;
}

/**
 * Loads the simulation with the fault in it, beside the sound one in the same process: the modules that the fault is in, or that import it, are
 * loaded once more, under addresses with its name.
 */
export async function loadPlanted(plant: Plant): Promise<(plan: Plan) => Promise<Outcome>> {
  const { runPlan } = (await import(
    `${pathToFileURL(entry).href}?plant=${plants.indexOf(plant)}`
  )) as typeof import('../run.ts');
  return runPlan;
}

/** From here on, what is loaded by {@link loadPlanted} has its fault. */
export function registerPlants(): Disposable {
  const by = importers();
  const files = plants.map((plant) => affected(plant, by));
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const query = /\?plant=(\d+)$/.exec(context.parentURL ?? '');
      if (query === null || !found.url.startsWith('file:') || found.url.includes('?')) return found;
      const isAffected = files[Number(query[1])]?.has(fileURLToPath(found.url));
      return isAffected ? { ...found, url: `${found.url}${query[0]}` } : found;
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const query = /\?plant=(\d+)$/.exec(url);
      const plant = plants[Number(query?.[1])];
      if (plant === undefined || relative(root, fileURLToPath(url.split('?')[0] as string)) !== plant.file)
        return loaded;
      const text = String(loaded.source instanceof Uint8Array ? Buffer.from(loaded.source) : loaded.source);
      const parts = text.split(plant.find);
      if (parts.length !== 2)
        throw new Error(`${plant.name}: expected its text once in ${plant.file}, got it ${parts.length - 1} times`);
      return { ...loaded, source: parts.join(plant.replace) };
    },
  });
  return { [Symbol.dispose]: () => hooks.deregister() };
}
