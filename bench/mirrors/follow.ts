/** Mirrors that follow a coordinator, all in this process, each into a folder of its own; and clients that fetch files and keep nothing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openMirror } from '../../adapters/mirror/mirror.ts';
import { createDrover } from '../../client/drover.ts';

export type ToMirrors =
  /** Say once each mirror has so many items. */
  | { readonly until: number }
  /** Fetch these with as many clients as there are mirrors, each all of them, and say when that is done. */
  | { readonly get: readonly string[] };

const [url = '', tokenFile = '', folder = '', count = '', name = ''] = process.argv.slice(2);
const token = readFileSync(tokenFile, 'utf8');
const ending = new AbortController();
const drovers = Array.from({ length: Number(count) }, () => createDrover({ url, token, signal: ending.signal }));
const published = drovers.map(() => -1);
let wanted: number | undefined;

function look(): void {
  if (wanted === undefined || published.some((number) => number < (wanted as number))) return;
  wanted = undefined;
  process.send?.('done');
}

const mirrors = await Promise.all(
  drovers.map((drover, n) =>
    openMirror({
      drover,
      folder: join(folder, `${n}`),
      wants: (path) => path.slice(33).startsWith(`${name}-`),
      connections: 8,
      signal: ending.signal,
      progress(state) {
        published[n] = state.published;
        look();
      },
      trouble: (message) => console.error(`mirror ${n}: ${message}`),
    }),
  ),
);
const runs = mirrors.map((mirror) =>
  mirror.run(false).catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  }),
);

process.on('message', (told: ToMirrors) => {
  if ('until' in told) {
    wanted = told.until;
    look();
  } else
    void Promise.all(
      drovers.map(async (drover) => {
        for (const path of told.get) await (await drover.request('GET', path)).arrayBuffer();
      }),
    ).then(() => process.send?.('done'));
});
process.once('disconnect', () => ending.abort());
await Promise.all(runs);
for (const mirror of mirrors) mirror[Symbol.dispose]();
