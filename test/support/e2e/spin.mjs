/**
 * Loaded before a coordinator (`node --import`): makes a function of it spin for ever, as a mistake in it would. The edge is the text of
 * one module on its way into the process; all else is the real program.
 *
 * DROVER_TEST_SPIN: `findNeeds NAME` for submissions of a derivation of that name, `evolveBuild N` for a build that gets priority N.
 */
import { registerHooks } from 'node:module';

const [where, what] = (process.env.DROVER_TEST_SPIN ?? '').split(' ');
const edges = {
  findNeeds: {
    file: '/projections/needs.ts',
    test: `args[1].some((drv) => args[0].graph.drvPath(drv).endsWith('-${what}.drv'))`,
  },
  evolveBuild: { file: '/domain/build/state.ts', test: `args[1].data.priority === ${what}` },
};
const edge = edges[where];
if (edge === undefined) throw new Error(`expected DROVER_TEST_SPIN to name one of ${Object.keys(edges)}, got ${where}`);

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith(edge.file)) return loaded;
    const text = loaded.source.toString();
    const head = `export function ${where}(`;
    if (!text.includes(head)) throw new Error(`expected ${head} in ${edge.file}`);
    const spinning = `export function ${where}(...args) { if (${edge.test}) for (;;); return real_${where}(...args); }\nfunction real_${where}(`;
    return { ...loaded, source: text.replace(head, spinning) };
  },
});
