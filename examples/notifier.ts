/**
 * Says of each build that fails what it was and why, from now on; goes on where it was after a restart.
 *
 *   DROVER_URL=… DROVER_TOKEN=… npx node examples/notifier.ts PLACE
 */
import { readFile, writeFile } from 'node:fs/promises';
import { createDrover } from 'drover/client';

const [place = 'notifier.position', ...more] = process.argv.slice(2);
if (place.startsWith('-') || more.length > 0) {
  console.error('usage: npx node examples/notifier.ts [PLACE]');
  process.exit(2);
}
const drover = createDrover({
  url: process.env.DROVER_URL ?? 'http://127.0.0.1:8745',
  token: process.env.DROVER_TOKEN,
});
const checkpoint = {
  load: () => readFile(place, 'utf8').catch(() => undefined),
  save: (position: string) => writeFile(place, position),
};
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

for await (const event of drover.events({ from: 'end', types: ['BuildFailed'], checkpoint, signal: stop.signal })) {
  const build = event.stream.slice('build-'.length);
  const { derivation, tags } = await drover.getBuild({ build });
  const name = derivation.slice(33).replace(/\.drv$/, '');
  console.log(JSON.stringify({ name, tags, class: event.data.class, message: event.data.message, id: event.id }));
}
