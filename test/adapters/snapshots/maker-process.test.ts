import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { it } from 'node:test';
import { pino } from 'pino';
import { createSnapshotMaker } from '../../../adapters/snapshots/maker-process.ts';

it('a process that cannot be had, or ends by itself, is told, tried again, and waited for by nobody', async (context) => {
  const snapshots = await mkdtemp(join(tmpdir(), 'drover-snapshots-'));
  context.after(() => rm(snapshots, { recursive: true, force: true }));
  const unfinished = join(snapshots, '1.snapshot.tmp');
  await writeFile(unfinished, 'half');
  const lines: string[] = [];
  let told = Promise.withResolvers<string>();
  const stream = new Writable({
    write(line, _, done) {
      lines.push(JSON.parse(String(line)).reason);
      told.resolve(String(line));
      done();
    },
  });
  const store = { kind: 'sqlite', dir: undefined } as const;
  const options = {
    store,
    dir: snapshots,
    snapshots,
    storeDir: '/nix/store',
    everyEvents: 2,
    logger: pino({}, stream),
  };
  await using maker = createSnapshotMaker(options);
  const program = process.execPath;
  for (const [path, reason] of [
    ['/nonexistent/node', /ENOENT/],
    ['/nonexistent/node', /ENOENT/],
    ['/bin/false', /ended by itself \(1\)/],
  ] as const) {
    told = Promise.withResolvers();
    process.execPath = path;
    try {
      maker.grown(2);
    } finally {
      process.execPath = program;
    }
    assert.match(await told.promise, reason);
  }
  assert.equal(lines.length, 3);
  assert.deepEqual(await readdir(snapshots), []);
  process.execPath = '/nonexistent/node';
  maker.grown(2);
  process.execPath = program;
});

it('a process that does not come to its end is told once, and ended with the coordinator', async (context) => {
  const snapshots = await mkdtemp(join(tmpdir(), 'drover-snapshots-'));
  context.after(() => rm(snapshots, { recursive: true, force: true }));
  const lines: string[] = [];
  const stream = new Writable({
    write(line, _, done) {
      lines.push(JSON.parse(String(line)).msg);
      done();
    },
  });
  const store = { kind: 'sqlite', dir: undefined } as const;
  const where = { store, dir: snapshots, snapshots, storeDir: '/nix/store' };
  await using maker = createSnapshotMaker({ ...where, everyEvents: 2, logger: pino({}, stream) });
  const program = process.execPath;
  process.execPath = '/usr/bin/yes';
  try {
    maker.grown(2);
  } finally {
    process.execPath = program;
  }
  maker.grown(1);
  assert.deepEqual(lines, []);
  for (const events of [1, 2]) maker.grown(events);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /has not ended since the last one was due/);
});
