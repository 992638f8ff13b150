import { table } from '../cli/output/table.ts';
import type { BuildDetail } from '../coordinator/ports/views.ts';
import type { DemoAgent } from './farm.ts';

interface Line {
  readonly name: string;
  readonly builds: number;
  readonly attempts: number;
  /** Of the NARs of all outputs. */
  readonly bytes: number;
  readonly seconds: string;
}

/**
 * What each agent built, and all together. An agent's seconds are those of its attempts, which run side by side; those of
 * all go from the first build's submission to the last one's end.
 */
export function report(
  builds: readonly BuildDetail[],
  agents: readonly DemoAgent[],
  sizeOf: ReadonlyMap<string, number>,
  colour: boolean,
): string {
  const lines = agents.map(({ name }) => {
    const own = builds.filter(({ agent }) => agent === name);
    const attempts = builds.flatMap((build) => build.attempts).filter(({ agent }) => agent === name);
    const ms = attempts.reduce((sum, { allocatedAt, endedAt }) => sum + ((endedAt ?? allocatedAt) - allocatedAt), 0);
    return { name, builds: own.length, attempts: attempts.length, bytes: bytesOf(own, sizeOf), seconds: seconds(ms) };
  });
  const from = Math.min(...builds.map(({ submittedAt }) => submittedAt));
  const until = Math.max(...builds.map(({ endedAt, submittedAt }) => endedAt ?? submittedAt));
  const all: Line = {
    name: 'all',
    builds: builds.length,
    attempts: builds.reduce((sum, build) => sum + build.attempts.length, 0),
    bytes: bytesOf(builds, sizeOf),
    seconds: seconds(until - from),
  };
  return table<Line>(
    [...lines, all],
    [
      { title: 'AGENT', value: ({ name }) => name },
      { title: 'BUILDS', value: (line) => line.builds },
      { title: 'ATTEMPTS', value: (line) => line.attempts },
      { title: 'BYTES', value: (line) => line.bytes },
      { title: 'SECONDS', value: (line) => line.seconds },
    ],
    { colour, width: undefined, wide: false, empty: 'Nothing was built.' },
  );
}

function bytesOf(builds: readonly BuildDetail[], sizeOf: ReadonlyMap<string, number>): number {
  return builds
    .flatMap(({ outputs }) => Object.values(outputs))
    .reduce((sum, output) => sum + (sizeOf.get(output) ?? 0), 0);
}

const seconds = (ms: number) => (ms / 1000).toFixed(1).padStart('SECONDS'.length);
