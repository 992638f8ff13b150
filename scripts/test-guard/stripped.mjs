/**
 * Has a test process load what scripts/strip-types.ts has stripped of its types: each process loads a test file that no other does, and Node would
 * load its stripper for that alone, a third of a second of processor time.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = new URL('../../', import.meta.url).href;

/** @param {string} folder */
export function loadStripped(folder) {
  registerHooks({
    load(url, context, next) {
      // With a query it is not the file as it stands: a simulated fault is planted in it.
      if (!url.startsWith(sources) || !url.endsWith('.ts') || url.includes('/node_modules/')) return next(url, context);
      try {
        const source = readFileSync(join(folder, fileURLToPath(url).slice(fileURLToPath(sources).length)), 'utf8');
        return { format: 'module', source, shortCircuit: true };
      } catch {
        // It came later, or Node is to say what is wrong with it.
        return next(url, context);
      }
    },
  });
}
