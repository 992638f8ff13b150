/**
 * Overviews of the dashboard that are open and seen, all in this process: of each the modules that load and follow, as a browser runs them, with
 * nothing drawn. Says once all follow; told anything, what has come since the last time.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { createPageFetch } from './page-fetch.ts';

export interface Came {
  /** Of what the overview shows. */
  readonly updates: number;
  readonly requests: number;
  readonly bytes: number;
}

const [url = '', cookiesFile = ''] = process.argv.slice(2);
const root = fileURLToPath(new URL('../..', import.meta.url));
const { outputFiles } = await build({
  absWorkingDir: root,
  stdin: {
    contents: `export { connection } from './web/live/connection.ts';
      export { onOverview } from './web/live/overview.ts';
      export { Overview } from './web/pages/overview.tsx';
      export { mount } from './bench/dashboard/effects.ts';`,
    resolveDir: root,
  },
  bundle: true,
  write: false,
  format: 'iife',
  globalName: 'dashboard',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  alias: {
    'drover/client': `${root}/client/index.ts`,
    'preact/hooks': `${root}/bench/dashboard/effects.ts`,
    uplot: `${root}/bench/dashboard/no-chart.ts`,
  },
  loader: { '.css': 'empty' },
});
/** A page's modules, each time anew, with what a browser has around them. */
const load = new Function(
  'location',
  'document',
  'matchMedia',
  'ResizeObserver',
  'fetch',
  `${outputFiles[0]?.text}\nreturn dashboard;`,
);
const targets = { addEventListener() {}, removeEventListener() {} };
class Observer {
  observe(): void {}
  disconnect(): void {}
}

const traffic = { requests: 0, bytes: 0 };
let updates = 0;
const begun = [];
for (const cookie of JSON.parse(readFileSync(cookiesFile, 'utf8')) as string[]) {
  const { connection, onOverview, Overview, mount } = load(
    { origin: url, pathname: '/' },
    { hidden: false, ...targets },
    () => targets,
    Observer,
    createPageFetch(cookie, traffic),
  );
  mount(Overview);
  onOverview(({ error }: { error?: Error }) => {
    if (error !== undefined) throw error;
    updates++;
  });
  begun.push(async () => {
    while (connection() !== 'live') await new Promise((resolve) => setTimeout(resolve, 100));
  });
}
for (const each of begun) await each();
process.send?.('live');
process.on('message', () => {
  process.send?.({ updates, ...traffic } satisfies Came);
  updates = 0;
  Object.assign(traffic, { requests: 0, bytes: 0 });
});
process.once('disconnect', () => process.exit());
