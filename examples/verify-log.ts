/** Verifies a log with nothing of Drover's, as docs/audit.md says: npx node examples/verify-log.ts EVENTS.DB AUDIT-KEY.PUB */
import { createPublicKey, hash, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { zstdDecompressSync } from 'node:zlib';

const [file = 'events.db', keyFile = 'audit-key.pub'] = process.argv.slice(2);
process.once('uncaughtException', ({ message }) => {
  console.error(`${file} with ${keyFile}: ${message}`);
  process.exit(1);
});
const x = Buffer.from(readFileSync(keyFile, 'utf8').trim().slice(-44), 'base64').toString('base64url', 1);
const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
const sha256 = (...parts: Uint8Array[]) => hash('sha256', Buffer.concat(parts), 'buffer');
type Event = Record<string, unknown> & { position: number; type: string; data: string };
const db = new DatabaseSync(file, { readOnly: true });
/** What is older is in blocks, each value a list of its own in the order of the events. */
function* events(): Generator<Event> {
  const hasBlocks = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'blocks'").get();
  for (const block of hasBlocks ? db.prepare('SELECT head, data FROM blocks ORDER BY last').iterate() : []) {
    const text = (name: string) =>
      zstdDecompressSync(block[name] as Uint8Array)
        .toString()
        .split('\n');
    const [shared, stream, revision, kind, at, commit, who, causation, previous] = text('head').map((line) =>
      JSON.parse(line),
    );
    for (const [n, line] of text('data').entries()) {
      const [type, version] = shared.kinds[kind[n]];
      const [actor, correlation, trace] = shared.whos[who[n]];
      const commonly = { position: shared.first + n, previous: previous[n], commit: commit[n], stream: stream[n] };
      const meta = { revision: revision[n], at: at[n], actor, correlation, causation: causation[n], trace };
      yield { ...commonly, ...meta, type, version, data: shared.odd[n] ?? line };
    }
  }
  const columns =
    'position, previous_hash AS previous, commit_id AS "commit", stream, revision, at, actor, correlation, causation, trace';
  yield* db
    .prepare(`SELECT ${columns}, type, version, data FROM events ORDER BY position`)
    .iterate() as Iterable<Event>;
}
const names = ['previous', 'commit', 'stream', 'revision', 'at', 'actor', 'correlation', 'causation', 'trace'];
function* commits() {
  let last: Event | undefined;
  let found = { position: 0, previous: null as unknown, checkpoint: '{}', text: '' };
  for (const event of events()) {
    for (const name of [...names, 'data']) if (String(event[name]).includes('\n')) hidden(event);
    if (/\s/.test(event.type)) hidden(event);
    if (!last || last.stream !== event.stream || last.commit !== event.commit) {
      if (last) yield found;
      const { position, previous, type, data } = event;
      const lines = names.filter((name) => event[name] !== null).map((name) => `${name} ${event[name]}\n`);
      const checkpoint = type === 'LogCheckpointed' ? data : '{}';
      found = { position, previous, checkpoint, text: `drover-commit 1\n${lines.join('')}` };
    }
    found.text += `event ${event.type} ${event.version} ${event.data}\n`;
    last = event;
  }
  if (last) yield found;
}
function hidden({ position }: Event): never {
  throw new Error(`${position} has a line or a word too many: its text could be another's`);
}
const subtrees: Uint8Array[] = [];
let [count, checkpoints, last] = [0, 0, sha256().toString('base64')];
for (const row of commits()) {
  if (row.previous !== null && row.previous !== last) throw new Error(`${row.position} does not follow`);
  const [text, signature] = (JSON.parse(row.checkpoint).note ?? '').split('\n\n— ');
  if (text !== '') {
    const root = subtrees.reduceRight((right, left) => sha256(Buffer.of(1), left, right));
    const bytes = Buffer.from(signature.split(' ')[1], 'base64').subarray(4);
    const isSigned = verify(null, Buffer.from(`${text}\n`), key, bytes);
    const isRight = text.endsWith(`\n${count}\n${Buffer.from(root).toString('base64')}`);
    if (!isSigned || !isRight) throw new Error(`${row.position} is no checkpoint of what is before it`);
    checkpoints++;
  }
  let whole = sha256(Buffer.of(0), Buffer.from(row.text));
  last = whole.toString('base64');
  for (let n = count++; n % 2 === 1; n = (n - 1) / 2) whole = sha256(Buffer.of(1), subtrees.pop() as Buffer, whole);
  subtrees.push(whole);
}
console.log(JSON.stringify({ commits: count, checkpoints, last }));
