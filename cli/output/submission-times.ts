import type { Advice, SubmissionTimes } from '../../coordinator/application.ts';
import { jobClassWords } from '../../projections/job-class-words.ts';
import { phaseLine, phaseRows, share } from './phases.ts';
import { details, table } from './table.ts';
import { duration, plural, printable, shortName } from './text.ts';
import type { View } from './view.ts';

/** Where the time of a submission went, for people. */
export function formatSubmissionTimes(times: SubmissionTimes, view: View): string {
  const { builds, phases, untold, criticalPath: path, advice } = times;
  const all = path.to - path.from;
  const rest = path.builds - path.steps.length;
  const columns = [
    { title: 'BUILD', value: (row: Row) => row.build },
    { title: 'NAME', value: (row: Row) => shortName(row.derivation) },
    { title: 'TOOK', value: (row: Row) => duration(row.to - row.from) },
    { title: 'OF THAT', value: (row: Row) => phaseLine(row.phases) },
  ];
  return [
    `\nTime of ${plural(builds, 'build')}, added up:\n${indented(details(phaseRows(phases)))}`,
    untold === 0
      ? ''
      : `${plural(untold, 'attempt')} of older agents did not say how long they fetched: that is with allocated, and not known.\n`,
    `\nCritical path${path.ended ? '' : ' so far'}: ${plural(path.builds, 'build')} in ${duration(all)}, each waiting for the one before it\n`,
    rest > 0 ? `  … ${plural(rest, 'earlier build')}\n` : '',
    indented(table(path.steps, columns, { ...view, width: view.width && view.width - 2, empty: '' })),
    advice.length === 0 ? '' : '\nWhat would have made it faster:\n',
    ...advice.map((one) => `  * ${printable(sentenceOf(one, all))}\n`),
  ].join('');
}

type Row = SubmissionTimes['criticalPath']['steps'][number];

function sentenceOf({ kind, ms, system = '', features, storeDir, cause, builds }: Advice, all: number): string {
  const time = `${duration(ms)} (${share(ms, all)})`;
  const of = `of the critical path`;
  const wanted = jobClassWords({ system, features, storeDir });
  switch (kind) {
    case 'slot':
      return `${time} ${of} waited for a free slot for ${wanted} (${plural(builds, 'build')}): one more slot would have saved up to ${duration(ms)}`;
    case 'no-agent':
      return `${time} ${of} waited while no agent took builds for ${wanted}${cause === undefined ? '' : `: ${cause}`}; one more agent would have saved up to ${duration(ms)}`;
    case 'retries':
      return `${time} ${of} went into attempts that failed or were given back, and were made again (${plural(builds, 'build')})`;
    case 'lost':
      return `${time} ${of} went into attempts whose agents were lost (${plural(builds, 'build')}): agents that stay would have saved up to ${duration(ms)}`;
    case 'back-off':
      return `${time} ${of} was waiting before retries (settings retry.*)`;
    case 'deferred':
      return `${time} ${of} was deferred (--defer-until, builds defer)`;
    case 'inputs':
      return `${time} ${of} waited for inputs that no build of it made: sources, or what was deleted, failed or was retried later`;
    case 'text-lost':
      return `${time} ${of} waited for the lost text of a derivation to be sent again`;
    case 'allocated':
      return `${time} ${of} passed between an allocation and the start of its work on the agent`;
    case 'fetching':
      return `${time} ${of} was fetching inputs (${plural(builds, 'build')}): a faster way to the coordinator, or agents that keep their stores`;
    case 'uploading':
      return `${time} ${of} was uploading outputs (${plural(builds, 'build')}): a faster way to the coordinator`;
    case 'building':
      return `${time} ${of} was building, ${plural(builds, 'build')} one after the other: more agents change nothing here, faster ones would`;
  }
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}
