import type { BuildRecord } from '../../projections/builds.ts';
import { type GraphShape, type SubmissionGraph, submissionGraph } from '../../projections/submission-graph.ts';
import type { Core } from '../core.ts';
import type { InSlices } from '../slices.ts';
import { keepAnswers } from './kept-answers.ts';

/** Graphs that are kept: a few megabytes each, of those who look at one now. */
const mostKept = 8;

/** Walks the builds of the submission that the graph is of. */
type Over = (
  of: (builds: readonly BuildRecord[]) => Generator<undefined, SubmissionGraph>,
) => Generator<undefined, SubmissionGraph>;

/** Graphs of submissions, as they were a moment ago; what does not change with states is worked out once for all who look. */
export function createGraphs(
  { farm, runtime }: Pick<Core, 'farm' | 'runtime'>,
  inSlices: InSlices,
): (submission: string, part: string, over: Over) => Promise<SubmissionGraph> {
  const answers = keepAnswers<SubmissionGraph>(runtime, inSlices, mostKept);
  const shapes = new Map<string, GraphShape>();

  function* graphOf(key: string, part: string, builds: readonly BuildRecord[]): Generator<undefined, SubmissionGraph> {
    const { shape, graph } = yield* submissionGraph(farm, builds, part, shapes.get(key), runtime.clock.now());
    shapes.delete(key);
    shapes.set(key, shape);
    const [oldest] = shapes.keys();
    if (shapes.size > mostKept && oldest !== undefined) shapes.delete(oldest);
    return graph;
  }

  return (submission, part, over) => {
    const key = `${submission} ${part}`;
    return answers.of(key, () => over((builds) => graphOf(key, part, builds)));
  };
}
