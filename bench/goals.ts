import type { Row } from './row.ts';

export interface Goal {
  /** In words, for the table. */
  readonly text: string;
  met(row: Row, others: ReadonlyMap<string, Row>): boolean | undefined;
  /** Key of the row of the peer (or of the machine's own limit) that was measured in the same run. */
  readonly peer?: string;
  /** What keeps the figure from being better. */
  readonly bound: string;
}

const atLeast = (least: number) => (row: Row) => row.value >= least;
const atMost = (most: number) => (row: Row) => row.value <= most;
const timesPeer =
  (peer: string, compare: (ratio: number) => boolean) => (row: Row, others: ReadonlyMap<string, Row>) => {
    const other = others.get(peer);
    return other && compare(row.value / other.value);
  };

/** What bounds a NAR that comes in: hashing it, or the disk. */
function ofTheLess(
  others: ReadonlyMap<string, Row>,
  compression: string,
  met: (least: number) => boolean,
): boolean | undefined {
  const [sha256, disk] = ['nar-in-sha256', `nar-in-disk-${compression}`].map((key) => others.get(key)?.value);
  return sha256 === undefined || disk === undefined ? undefined : met(Math.min(sha256, disk));
}

const mainThread =
  'processor time: half of it the main thread, of which folding some 6 events a build is a third; the rest is the log writer, signing and V8 on the same cores';

const turnOfTheLoop =
  'the turn of the event loop in which the event is durable: what else is decided in it comes first';

/** The goals of the design (section 12), by the key of the row they are for. */
export const goals: ReadonlyMap<string, Goal> = new Map(
  Object.entries({
    'life-guix': {
      text: '≥ 6,000/s, and more than BullMQ drains jobs',
      met: (row, others) => row.value >= 6000 && row.value > (others.get('peer-bullmq')?.value ?? 0),
      peer: 'peer-bullmq',
      bound: mainThread,
    },
    'life-guix-bare': { text: '≥ 10,000/s', met: atLeast(10_000), peer: 'peer-bullmq', bound: mainThread },
    ...Object.fromEntries(
      ['guix', '10000', '100000', '1000000'].map((name) => [
        `views-${name}`,
        { text: '≤ 60 µs', met: atMost(60), bound: 'rows of SQLite with their indexes, and reading the log' },
      ]),
    ),
    ...Object.fromEntries(
      [['help', 0.35] as const, ['status', 0.35] as const, ['coordinator', 1.2] as const].map(([what, most]) => [
        `start-${what}-package`,
        {
          text: `≤ ${most} s`,
          met: atMost(most),
          peer: `start-${what}-sources`,
          bound:
            'the start of Node, 0.1 s and 0.05 s for each thread; what is made as it is loaded, most of it schemas',
        },
      ]),
    ),
    'collect-plan': { text: '≤ 5 s', met: atMost(5), bound: 'following references, ten a millionth of a second' },
    'collect-turn': { text: '≤ 10 ms', met: atMost(10), bound: 'slices of 4 ms, and what the machine takes from them' },
    'collect-memory': { text: '≤ 500 MB', met: atMost(500), bound: 'five bytes an item' },
    'upstream-closure': {
      text: '≤ 60 s',
      met: atMost(60),
      bound: 'answers of 5 ms over 32 connections, and signatures',
    },
    'life-100000': { text: '≥ 6,000/s', met: atLeast(6000), peer: 'peer-bullmq', bound: mainThread },
    'life-100000-bare': { text: '≥ 10,000/s', met: atLeast(10_000), peer: 'peer-bullmq', bound: mainThread },
    'beside-graphile-worker': {
      text: '≥ 4 ×',
      met: atLeast(4),
      bound: mainThread,
    },
    ...Object.fromEntries(
      ['1', '100', 'batches'].map((how) => [
        `append-chain-${how}`,
        {
          text: '≤ 5 %',
          met: atMost(5),
          bound: 'SHA-256 of the commit, and of one node of the tree; 46 more bytes in the log',
        },
      ]),
    ),
    'life-chain': { text: '≤ 5 %', met: atMost(5), bound: 'what the hashes cost appends, of all that a build costs' },
    flat: {
      text: '≤ 1.3 × (design: 1.2 ×)',
      met: atMost(1.3),
      bound: 'caches of the processor: the larger the graph, the more of its edges lie in memory far away',
    },
    'memory-1000000': {
      text: '≤ 1,024 MiB',
      met: atMost(1024),
      bound: 'edges (three numbers each), paths, build states',
    },
    'memory-unfinished': { text: '≤ 500 bytes', met: atMost(500), bound: 'two numbers for each of the 31 inputs' },
    'memory-gone': { text: '≤ 150 bytes', met: atMost(150), bound: 'names that no other item has' },
    'memory-ended': {
      text: '≤ 150 bytes',
      met: atMost(150),
      bound:
        'the edges of its derivation and what a narinfo says of its item, which stay as long as the item may be asked for',
    },
    ...Object.fromEntries(
      ['above', 'below'].flatMap((order) =>
        [10_000, 100_000, 1_000_000].map((size) => [
          `submit-${order}-${size}`,
          {
            text: '≤ 1.2 × that of an empty queue',
            met: timesPeer(`submit-${order}-0`, (ratio) => ratio <= 1.2),
            peer: `submit-${order}-0`,
            bound: 'caches of the processor, and a heap that takes longer to collect',
          },
        ]),
      ),
    ),
    'restart-snapshot': {
      text: '≤ 2 s',
      met: atMost(2),
      bound: 'memory that nobody had before, and SHA-256 of each part',
    },
    'push-p99': {
      text: '≤ 10 ms',
      met: atMost(10),
      bound: 'one or two fsyncs of the disk: a push waits until its allocation is durable',
    },
    'hook-1-p99': { text: '≤ 10 ms', met: atMost(10), peer: 'hook-graphile-worker-1-p99', bound: turnOfTheLoop },
    'hook-100-p99': { text: '≤ 10 ms', met: atMost(10), peer: 'hook-graphile-worker-100-p99', bound: turnOfTheLoop },
    'hook-1000-p99': {
      text: '≤ 10 ms',
      met: atMost(10),
      peer: 'hook-graphile-worker-1000-p99',
      bound: turnOfTheLoop,
    },
    'replay-export': {
      text: '≥ 1 × replay that folds',
      met: timesPeer('replay-farm-again', (ratio) => ratio >= 1),
      peer: 'replay-farm-again',
      bound: 'one thread reads rows, puts envelopes around their texts and sends them',
    },
    'hook-idle': {
      text: '≤ 0.1 %',
      met: atMost(0.1),
      bound: 'not known yet; all that happens are two heartbeats of agents a second',
    },
    ...Object.fromEntries(
      ['1', '10', '50'].flatMap((count) =>
        ['', '-single'].map((how) => [
          `mirrors-${count}${how}`,
          {
            text: '≤ 1.5 × the bytes alone',
            met: timesPeer(`mirrors-${count}-bytes`, (ratio) => ratio <= 1.5),
            peer: `mirrors-${count}-bytes`,
            bound: 'the same two requests, and an event on a connection that stays',
          },
        ]),
      ),
    ),
    'dashboard-load': { text: '≤ 150 kB', met: atMost(150), bound: 'the script: pages, the typed client, charts' },
    'dashboard-view-p50': {
      text: '≤ 1,000 ms',
      met: atMost(1000),
      bound: 'the browser, which runs the script and draws',
    },
    ...Object.fromEntries(
      ['overview', 'overview-busy', 'build', 'build-busy'].map((page) => [
        `dashboard-${page}-p99`,
        {
          text: '≤ 100 ms',
          met: atMost(100),
          bound: 'the shortest time between two answers to the same page, and views that are behind',
        },
      ]),
    ),
    'dashboard-open': {
      text: '≤ 10 %',
      met: atMost(10),
      bound: 'a write to each connection for each update, some 15 µs, two thirds of what an update takes',
    },
    'replay-farm': {
      text: '≥ 500,000/s',
      met: atLeast(500_000),
      peer: 'replay-raw',
      bound: 'JSON, then zod, then the folds, on one core',
    },
    'log-bytes': {
      text: '≤ 1,000 bytes',
      met: atMost(1000),
      bound: 'hashes, which nothing makes smaller: one of each commit, and those in paths and signatures',
    },
    ...Object.fromEntries(
      ['log-read-parsed', 'log-read-instead'].map((key) => [
        key,
        {
          text: '≤ 1 × in rows',
          met: timesPeer(`${key}-rows`, (ratio) => ratio <= 1),
          peer: `${key}-rows`,
          bound: 'decompressing, and a string for each event',
        },
      ]),
    ),
    'intake-guix': {
      text: '≤ 20 s',
      met: atMost(20),
      bound: 'SHA-256 and parsing on the thread of the derivation store',
    },
    ...Object.fromEntries(
      ['none', 'zstd'].map((compression) => [
        `nar-in-${compression}`,
        {
          text: '≥ 60 % of sha256 of one core or of the disk, of what is less',
          met: (row: Row, others: ReadonlyMap<string, Row>) =>
            ofTheLess(others, compression, (least) => row.value >= 0.6 * least),
          peer: 'nar-in-sha256',
          bound:
            'one worker hashes the NAR, and the file where it is another, and scans for references; decompressing is beside it',
        },
      ]),
    ),
    'nar-in-four': {
      text: '≥ 1.5 × one alone, or the disk',
      met: (row, others) => {
        const [alone, disk] = ['nar-in-zstd', 'nar-in-disk-zstd'].map((key) => others.get(key)?.value);
        return alone === undefined || disk === undefined ? undefined : row.value >= Math.min(1.5 * alone, 0.9 * disk);
      },
      peer: 'nar-in-zstd',
      bound: 'two workers and the threads that decompress, on as many cores as there are',
    },
    'overhead-at-once': {
      text: '≤ 1.5 × nix-store --realise',
      met: timesPeer('overhead-at-once-nix', (ratio) => ratio <= 1.5),
      peer: 'overhead-at-once-nix',
      bound: 'processor time of three processes of Node beside the daemons',
    },
    overhead: {
      text: '≤ 1.5 × nix-store --realise',
      met: timesPeer('overhead-nix', (ratio) => ratio <= 1.5),
      peer: 'overhead-nix',
      bound: 'processor time of three processes of Node beside the daemons, and syncs of the disk one after the other',
    },
    ...Object.fromEntries(
      ['nar-out', 'nar-out-many'].map((key) => [
        key,
        {
          text: '≥ 1 × nginx',
          met: timesPeer(`${key}-nginx`, (ratio) => ratio >= 1),
          peer: `${key}-nginx`,
          bound:
            'bytes are copied twice, out of the file and to the connection; another thread reads while they are sent',
        },
      ]),
    ),
    'sign-guix': { text: '≥ 200/s', met: atLeast(200), bound: 'one multiplication of a point in JavaScript for each' },
    narinfo: {
      text: '≤ 1.5 × the time nginx takes',
      met: timesPeer('narinfo-nginx', (ratio) => ratio <= 1.5),
      peer: 'narinfo-nginx',
      bound: "Node's HTTP server: parsing a request and making an answer",
    },
    ...Object.fromEntries(
      ['exports', 'start', 'live'].flatMap((readers) =>
        ['health', 'push'].map((what) => [
          `feed-${readers}-${what}`,
          {
            text: '≤ 1.5 × with nobody',
            met: timesPeer(`feed-quiet-${what}`, (ratio) => ratio <= 1.5),
            peer: `feed-quiet-${what}`,
            bound: 'cores: the thread that reads, the readers and this bench want some, too',
          },
        ]),
      ),
    ),
    'feed-export': {
      text: '≥ 400,000/s',
      met: atLeast(400_000),
      peer: 'feed-raw',
      bound: 'one thread reads rows, puts envelopes around their texts and encodes them',
    },
    'append-1': { text: '—', met: () => undefined, peer: 'fsync-rate', bound: 'one fsync a commit' },
  } satisfies Record<string, Goal>),
);
