/**
 * Reads the whole log: are the revisions of each stream without gaps, are all events of one log, and who did how much?
 *
 *   DROVER_URL=… DROVER_TOKEN=… npx node examples/auditor.ts
 */
import { createDrover } from 'drover/client';

if (process.argv.length > 2) {
  console.error('usage: npx node examples/auditor.ts');
  process.exit(2);
}
const drover = createDrover({
  url: process.env.DROVER_URL ?? 'http://127.0.0.1:8745',
  token: process.env.DROVER_TOKEN,
});
const next = new Map<string, number>();
const actors = new Map<string, number>();
let source: string | undefined;
let faults = 0;

for await (const event of drover.events({ follow: false })) {
  const expected = next.get(event.stream) ?? 0;
  source ??= event.source;
  if (event.revision !== expected || event.source !== source) {
    console.error(`${event.id} at ${event.position}: expected revision ${expected} of ${source}, got ${event.source}`);
    faults++;
  }
  next.set(event.stream, event.revision + 1);
  actors.set(event.actor, (actors.get(event.actor) ?? 0) + 1);
}
console.log(JSON.stringify({ source, streams: next.size, actors: Object.fromEntries(actors), faults }));
process.exitCode = faults === 0 ? 0 : 1;
