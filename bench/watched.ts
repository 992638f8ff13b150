/** Figures that a change must not make worse unseen; in the order of the table that `npm run bench -- --quick` prints. */
export interface Watched {
  readonly better: 'more' | 'less';
  /** `nothing`: it is the same on any machine, like a size. */
  readonly depends: 'machine' | 'nothing';
}

const time: Watched = { better: 'less', depends: 'machine' };
const rate: Watched = { better: 'more', depends: 'machine' };
const size: Watched = { better: 'less', depends: 'nothing' };

export const watched: ReadonlyMap<string, Watched> = new Map(
  Object.entries({
    'life-5000': rate,
    'life-5000-bare': rate,
    'cost-5000': time,
    'views-5000': time,
    'memory-5000': size,
    'submit-above-0': time,
    'submit-above-2000': time,
    'submit-below-0': time,
    'submit-below-2000': time,
    'memory-unfinished': size,
    'memory-ended': size,
    'fold-unfinished': rate,
    'replay-farm': rate,
    'replay-export': rate,
    'restart-replay': time,
    'restart-snapshot': time,
    'snapshot-bytes': size,
    'log-bytes': size,
    'log-read-parsed': time,
    overhead: time,
    'feed-export': rate,
    'feed-exports-health': time,
    'feed-start-health': time,
    'feed-live-health': time,
    'feed-live-main': time,
    'nar-out': rate,
    'nar-out-many': rate,
    'nar-in-none': rate,
    'nar-in-zstd': rate,
    'nar-in-four': rate,
    narinfo: time,
    'start-coordinator-package': time,
    'start-help-package': time,
    'start-status-package': time,
    'hook-idle': time,
  }),
);

/** Derivations of the made-up graph, in a run of what is watched. */
export const watchedSize = 5000;

/** The benches that have them, as many as three minutes have room for. */
export const watchedBenches: readonly string[] = [
  `life-${watchedSize}`,
  'replay',
  'log-bytes',
  'queued',
  'restart',
  'memory',
  'memory-of-ended',
  'idle',
  'start',
  'feed',
  'overhead',
  'nar-in',
  'cache',
];
