import type { AgentEvent } from '../domain/agent/events.ts';
import { type AgentState, intakeOf, reasonOf } from '../domain/agent/state.ts';
import { type Agents, misfit } from './agents.ts';
import type { Graph, JobClass } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/** A time in which no agent took builds of a class. */
export interface AgentlessTime {
  /** Milliseconds since the Unix epoch; `to` is Infinity while it lasts. */
  readonly from: number;
  readonly to: number;
  /** What became of the last agent that did, in words. */
  readonly cause: string;
}

/** When builds could not run as no agent took any of their kind: what a wait for an agent is told from a wait for a slot by. */
export interface Agentless {
  /** Such times of a class that overlap `from` to `to`, in order. */
  within(jobClass: JobClass, from: number, to: number): readonly AgentlessTime[];
  /** There are builds of this class from now on: whether agents take them is watched. */
  watch(jobClass: JobClass): void;
  /** The agent's state has changed by this event. */
  changed(name: string, event: AgentEvent, at: number): void;
}

/** Times that are kept per class; a build that waited longer ago than that is taken to have waited for a slot. */
const mostTimes = 4096;

interface ClassRecord {
  readonly able: Set<string>;
  readonly times: { from: number; to: number; cause: string }[];
}

export function createAgentless(
  agents: Pick<Agents, 'get' | 'all'>,
  graph: Pick<Graph, 'jobClasses'>,
  memory: Memory = createMemory(),
): Agentless {
  const classes = new Map<JobClass, ClassRecord>();
  memory.part('classes', {
    save: () => Array.from(classes, ([{ index }, record]) => [index, record] as const),
    load(saved: readonly (readonly [number, ClassRecord])[]) {
      for (const [index, record] of saved) classes.set(graph.jobClasses[index] as JobClass, record);
    },
  });

  function recordOf(jobClass: JobClass): ClassRecord {
    const known = classes.get(jobClass);
    if (known) return known;
    const able = new Set<string>();
    for (const { name, state } of agents.all()) if (takes(state, jobClass)) able.add(name);
    const times = able.size > 0 ? [] : [{ from: 0, to: Number.POSITIVE_INFINITY, cause: 'no agent for it was there' }];
    const record = { able, times };
    classes.set(jobClass, record);
    return record;
  }

  return {
    watch: (jobClass) => void recordOf(jobClass),
    within(jobClass, from, to) {
      const { times } = recordOf(jobClass);
      const found: AgentlessTime[] = [];
      for (let index = times.length - 1; index >= 0; index--) {
        const time = times[index] as AgentlessTime;
        if (time.to <= from) break;
        if (time.from < to) found.push(time);
      }
      return found.reverse();
    },
    changed(name, event, at) {
      const state = agents.get(name)?.state;
      if (state === undefined) return;
      for (const [jobClass, { able, times }] of classes) {
        const can = takes(state, jobClass);
        if (can === able.has(name)) continue;
        const last = times.at(-1);
        if (can) {
          able.add(name);
          if (last?.to === Number.POSITIVE_INFINITY) last.to = Math.max(at, last.from);
          continue;
        }
        able.delete(name);
        if (able.size > 0) continue;
        times.push({
          from: Math.max(at, last?.to ?? 0),
          to: Number.POSITIVE_INFINITY,
          cause: causeOf(name, event, state),
        });
        if (times.length > mostTimes) times.splice(0, mostTimes / 2);
      }
    },
  };
}

function takes(state: AgentState, jobClass: JobClass): boolean {
  return intakeOf(state) === 'accepting' && misfit(state, jobClass) === undefined;
}

/** `builder-1 was paused (new disk)`. */
function causeOf(name: string, event: AgentEvent, state: AgentState): string {
  const reason = reasonOf(state);
  const because = reason === undefined ? '' : ` (${reason})`;
  switch (event.type) {
    case 'AgentPaused':
      return `${name} was paused${because}`;
    case 'AgentDraining':
      return `${name} was drained${because}`;
    case 'AgentQuarantined':
      return `${name} was quarantined${because}`;
    case 'AgentUnfit':
      return `${name} could not build${because}`;
    case 'AgentLimited':
      return `${name} took nothing for a while${because}`;
    case 'AgentRetired':
      return `${name} was removed`;
    case 'AgentConnected':
      return `${name} came back with other abilities`;
    default:
      return `${name} was not connected${because}`;
  }
}
