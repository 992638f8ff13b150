import type { BenchOptions, Report } from './row.ts';

export interface Bench {
  readonly name: string;
  readonly what: string;
  /** Derivations, where it runs at several sizes. */
  readonly size?: number;
  /** Benches whose data it uses; one of them is enough. */
  readonly needs?: readonly string[];
  run(): Promise<(report: Report, options: BenchOptions) => Promise<void>>;
}

/** All benches, in the order in which they run; what is compared runs close together. */
export function benches(sizes: readonly number[]): Bench[] {
  const [first, ...others] = sizes.map(
    (size): Bench => ({
      name: `life-${size}`,
      what: `whole life of ${size} made-up derivations`,
      size,
      run: async () => (await import('./life/life.ts')).generated,
    }),
  );
  return [
    {
      name: 'append',
      what: 'durable appends by 1, 10, 100, 1,000 writers',
      run: async () => (await import('./event-store/append.ts')).run,
    },
    {
      name: 'chain',
      what: 'appends with the hashes of commits and without',
      run: async () => (await import('./event-store/chain.ts')).run,
    },
    {
      name: 'engines',
      what: 'appends by 1, 10, 100 writers on each engine',
      run: async () => (await import('./event-store/engines.ts')).run,
    },
    {
      name: 'read-log',
      what: 'reading a made-up log',
      run: async () => (await import('./event-store/replay.ts')).run,
    },
    {
      name: 'life-guix',
      what: 'whole life of the derivations of Guix',
      run: async () => (await import('./life/life.ts')).guix,
    },
    ...(first ? [first] : []),
    {
      name: 'life-chain',
      what: 'whole life of made-up derivations with the hashes of commits and without',
      run: async () => (await import('./life/life.ts')).hashes,
    },
    {
      name: 'life-nats',
      what: 'whole life of 10000 made-up derivations, on NATS JetStream',
      run: async () => (await import('./life/life.ts')).onNats,
    },
    {
      name: 'peer-bullmq',
      what: 'BullMQ on Redis drains plain jobs',
      run: async () => (await import('./peers/bullmq.ts')).run,
    },
    {
      name: 'peer-graphile-worker',
      what: 'graphile-worker on PostgreSQL drains plain jobs',
      run: async () => (await import('./peers/graphile-worker.ts')).run,
    },
    {
      name: 'replay',
      what: 'a coordinator starting on the log of a whole life',
      needs: ['life-guix', ...(first ? [first.name] : [])],
      run: async () => (await import('./life/replay.ts')).run,
    },
    {
      name: 'moment',
      what: 'a moment that is over, read by a process of its own, at the end of the log of a whole life',
      needs: ['life-guix', ...(first ? [first.name] : [])],
      run: async () => (await import('./life/moment.ts')).run,
    },
    {
      name: 'log-bytes',
      what: 'what the log of a whole life takes on the disk, and reading it beside the same in rows',
      needs: ['life-guix', ...(first ? [first.name] : [])],
      run: async () => (await import('./life/log-bytes.ts')).run,
    },
    {
      name: 'queued',
      what: 'submissions on top of a long queue, and folding one',
      run: async () => (await import('./life/queued.ts')).run,
    },
    {
      name: 'restart',
      what: 'a start with 1000000 unfinished builds, by folding the log and from a snapshot',
      run: async () => (await import('./life/restart.ts')).run,
    },
    {
      name: 'memory',
      what: 'what is kept of builds that have not ended',
      run: async () => (await import('./life/memory.ts')).ofUnfinished,
    },
    {
      name: 'memory-of-ended',
      what: 'what is kept of builds that have ended',
      run: async () => (await import('./life/memory.ts')).ofEnded,
    },
    {
      name: 'holds',
      what: 'how long questions about a whole distribution hold the event loop',
      run: async () => (await import('./life/holds.ts')).run,
    },
    {
      name: 'collect',
      what: 'planning a collection over 1000000 items',
      run: async () => (await import('./collect/collect.ts')).run,
    },
    {
      name: 'upstreams',
      what: 'a closure of 40000 items found upstream, at 5 ms an answer',
      run: async () => (await import('./upstreams/upstreams.ts')).run,
    },
    {
      name: 'estimate',
      what: 'how far off the estimated end is, over the graph of Guix',
      run: async () => (await import('./estimate/estimate.ts')).run,
    },
    {
      name: 'input-bytes-few',
      what: 'bytes of inputs that agents fetch, by who is given a build, where little of Guix changes; and what choosing costs',
      run: async () => (await import('./input-bytes/input-bytes.ts')).few,
    },
    {
      name: 'input-bytes-all',
      what: 'the same where all of Guix is built at once',
      run: async () => (await import('./input-bytes/input-bytes.ts')).all,
    },
    { name: 'push', what: 'how soon a dependent is pushed', run: async () => (await import('./life/push.ts')).run },
    { name: 'hooks', what: 'how soon a hook is started', run: async () => (await import('./hooks/latency.ts')).run },
    {
      name: 'hooks-graphile-worker',
      what: 'how soon graphile-worker, which listens, starts a job',
      run: async () => (await import('./hooks/peers.ts')).graphileWorker,
    },
    {
      name: 'hooks-pg-boss',
      what: 'how soon pg-boss, which polls, starts a job',
      run: async () => (await import('./hooks/peers.ts')).pgBoss,
    },
    {
      name: 'idle',
      what: 'processor time of an idle coordinator with 20 hooks and 20 agents',
      run: async () => (await import('./hooks/idle.ts')).run,
    },
    {
      name: 'start',
      what: 'processor time of starts: --help, status, an empty coordinator',
      run: async () => (await import('./start/start.ts')).run,
    },
    {
      name: 'feed',
      what: 'exporting the log, a thousand readers, readers that read nothing',
      run: async () => (await import('./feed/feed.ts')).run,
    },
    {
      name: 'feed-beside',
      what: 'how long others wait while the log is exported and followed',
      run: async () => (await import('./feed/beside.ts')).run,
    },
    {
      name: 'dashboard',
      what: 'the first load and view of the dashboard, and how soon it shows an event',
      run: async () => (await import('./dashboard/dashboard.ts')).seen,
    },
    {
      name: 'dashboard-open',
      what: 'what 200 open overviews cost the coordinator',
      run: async () => (await import('./dashboard/dashboard.ts')).open,
    },
    {
      name: 'mirrors',
      what: 'what 1, 10 and 50 mirrors cost the coordinator, beside the bytes alone',
      run: async () => (await import('./mirrors/mirrors.ts')).run,
    },
    {
      name: 'intake',
      what: 'taking in the whole of Guix',
      run: async () => (await import('./intake/guix.ts')).run,
    },
    {
      name: 'derivation-store',
      what: 'the derivation store by itself',
      run: async () => (await import('./pool/intake.ts')).run,
    },
    {
      name: 'overhead',
      what: 'real builds that do nearly nothing, over two agents, beside nix-store --realise -j2',
      run: async () => (await import('./overhead/overhead.ts')).run,
    },
    { name: 'nar-in', what: 'NARs coming in', run: async () => (await import('./pool/nar-in.ts')).run },
    {
      name: 'sign-guix',
      what: 'signatures of narinfos for Guix',
      run: async () => (await import('./guix/sign.ts')).run,
    },
    {
      name: 'cache',
      what: 'narinfo and NARs going out, beside nginx',
      run: async () => (await import('./cache/cache.ts')).run,
    },
    ...others,
  ];
}
