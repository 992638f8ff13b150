/** Verifies a log with nothing of Drover's, as docs/audit.md says: npx node examples/verify-log.ts EVENTS.DB AUDIT-KEY.PUB */
import { createPublicKey, hash, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const [file = 'events.db', keyFile = 'audit-key.pub'] = process.argv.slice(2);
process.once('uncaughtException', ({ message }) => {
  console.error(`${file} with ${keyFile}: ${message}`);
  process.exit(1);
});
const x = Buffer.from(readFileSync(keyFile, 'utf8').trim().slice(-44), 'base64').toString('base64url', 1);
const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
const sha256 = (...parts: Uint8Array[]) => hash('sha256', Buffer.concat(parts), 'buffer');
const line = (name: string, value = name) => `coalesce('${name} ' || ${value} || char(10), '')`;
const lines = [line('previous', 'previous_hash'), line('commit', 'commit_id'), line('stream')];
for (const name of ['revision', 'at', 'actor', 'correlation', 'causation', 'trace']) lines.push(line(name));
const names = ['previous_hash', 'commit_id', 'stream', 'actor', 'correlation', 'causation', 'trace', 'type'];
const commits = new DatabaseSync(file, { readOnly: true }).prepare(`
  SELECT min(position) AS position, previous_hash, iif(type = 'LogCheckpointed', data, '{}') AS checkpoint,
    max(instr(concat(${names.join(', ')}, data), char(10)) + instr(type, ' ')) AS hides,
    'drover-commit 1' || char(10) || ${lines.join(' || ')} ||
    group_concat('event ' || type || ' ' || version || ' ' || data || char(10), '' ORDER BY position) AS text
  FROM events GROUP BY stream, commit_id ORDER BY 1`);
const subtrees: Uint8Array[] = [];
let [count, checkpoints, last] = [0, 0, sha256().toString('base64')];
for (const row of commits.iterate() as Iterable<Record<string, string>>) {
  if (row.hides) throw new Error(`${row.position} has a line or a word too many: its text could be another's`);
  if (row.previous_hash && row.previous_hash !== last) throw new Error(`${row.position} does not follow`);
  const [text, signature] = (JSON.parse(row.checkpoint as string).note ?? '').split('\n\n— ');
  if (text !== '') {
    const root = subtrees.reduceRight((right, left) => sha256(Buffer.of(1), left, right));
    const bytes = Buffer.from(signature.split(' ')[1], 'base64').subarray(4);
    const isSigned = verify(null, Buffer.from(`${text}\n`), key, bytes);
    const isRight = text.endsWith(`\n${count}\n${Buffer.from(root).toString('base64')}`);
    if (!isSigned || !isRight) throw new Error(`${row.position} is no checkpoint of what is before it`);
    checkpoints++;
  }
  let whole = sha256(Buffer.of(0), Buffer.from(row.text as string));
  last = whole.toString('base64');
  for (let n = count++; n % 2 === 1; n = (n - 1) / 2) whole = sha256(Buffer.of(1), subtrees.pop() as Buffer, whole);
  subtrees.push(whole);
}
console.log(JSON.stringify({ commits: count, checkpoints, last }));
