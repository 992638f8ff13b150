/**
 * Keeps what came of each build in an SQLite file of its own, whose place in the log is in the same transaction; --once ends at its head.
 *
 *   DROVER_URL=… DROVER_TOKEN=… npx node examples/mirror-to-sqlite.ts FILE [--once]
 */
import { DatabaseSync } from 'node:sqlite';
import { createDrover } from 'drover/client';

const [file = 'results.sqlite', once = '', ...more] = process.argv.slice(2);
if (file.startsWith('-') || !['', '--once'].includes(once) || more.length > 0) {
  console.error('usage: npx node examples/mirror-to-sqlite.ts FILE [--once]');
  process.exit(2);
}
const drover = createDrover({
  url: process.env.DROVER_URL ?? 'http://127.0.0.1:8745',
  token: process.env.DROVER_TOKEN,
});
const database = new DatabaseSync(file);
database.exec(`CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY, position TEXT);
  CREATE TABLE IF NOT EXISTS builds (id TEXT PRIMARY KEY, derivation TEXT, result TEXT, ended TEXT)`);
const submit = database.prepare('INSERT OR IGNORE INTO builds VALUES (?, ?, NULL, NULL)');
const end = database.prepare('UPDATE builds SET result = ?, ended = ? WHERE id = ?');
const move = database.prepare('INSERT OR REPLACE INTO place VALUES (1, ?)');
const place = database.prepare('SELECT position FROM place').get() as { position: string } | undefined;
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

const types = ['BuildSubmitted', 'BuildSucceeded', 'BuildSatisfied', 'BuildFailed', 'BuildCanceled'] as const;
const wish = { from: place?.position ?? 'start', types, follow: once !== '--once', signal: stop.signal };
for await (const event of drover.events(wish)) {
  const build = event.stream.slice('build-'.length);
  database.exec('BEGIN');
  if (event.type === 'drover.BuildSubmitted') submit.run(build, event.data.derivation);
  else end.run(event.type.slice('drover.Build'.length).toLowerCase(), event.time, build);
  move.run(event.position);
  database.exec('COMMIT');
}
