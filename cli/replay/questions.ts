import { openTemporaryViews } from '../../adapters/views/sqlite/temporary-views.ts';
import { agentStatusOf, loggedUntil } from '../../coordinator/agents/agent-status.ts';
import { createStandings, inStates, withStanding } from '../../coordinator/builds/standings.ts';
import { withWholeMessages } from '../../coordinator/builds/whole-messages.ts';
import { figuresOf } from '../../coordinator/figures.ts';
import { foldEvent } from '../../coordinator/log/recovery.ts';
import type { StoredEvent } from '../../coordinator/ports/event-store.ts';
import type { BuildFilter, buildFilterStates, Paging } from '../../coordinator/ports/views.ts';
import { keptMessage } from '../../domain/build/state.ts';
import { hashPartLength } from '../../domain/store/store-path.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { loggedWaits, wakeDue } from '../../projections/moment.ts';
import { finish } from '../../projections/pace.ts';
import { explain } from '../../projections/why.ts';
import { formatAgent } from '../output/agents.ts';
import { formatBuild, formatBuilds } from '../output/builds.ts';
import { CliError } from '../output/cli-error.ts';
import { figureRows } from '../output/figures.ts';
import { formatItem } from '../output/items.ts';
import type { Printed } from '../output/print.ts';
import { details } from '../output/table.ts';
import type { View } from '../output/view.ts';
import { formatWhy } from '../output/why.ts';
import { timeOf } from './read-log.ts';

/** When it is asked about. */
export interface Moment {
  /** The last event of then. */
  readonly last: StoredEvent;
  /** Milliseconds since the Unix epoch: the time that was asked for, or that of the last event. */
  readonly at: number;
}

/** What a live command answers. */
export interface Answer extends Printed {
  /** What the live command shows beside and no event says. */
  readonly notInLog?: string;
}

/** Something to be known of a moment, from the events up to then. */
export interface Question extends Disposable {
  event(event: StoredEvent): void;
  answer(moment: Moment): Answer;
}

export function askStatus(): Question {
  return ofFarm((farm, { last }) => {
    const figures = { ...figuresOf(farm), position: last.position };
    const time = timeOf(last);
    return { value: { ...figures, time }, text: () => details(figureRows(figures)) };
  });
}

export function askWhy(id: string): Question {
  /** Long messages of failures, the last of each build: the farm keeps only their beginnings. */
  const messages = new Map<string, string>();
  const question = ofFarm((farm, { last, at }) => {
    const build = farm.queue.build(id);
    if (!build) throw missing('build', id, last);
    const why = withWholeMessages(finish(explain(farm, build, loggedWaits(farm))), (failed, _attempt, beginning) => {
      const message = messages.get(`build-${failed}`);
      return message?.startsWith(beginning) ? message : undefined;
    });
    return { value: why, text: (view) => formatWhy(why, asOf(view, at)), names: [id] };
  });
  return {
    ...question,
    event(event) {
      const message = failures.has(event.type) ? (event.data as { message?: string }).message : undefined;
      if (message !== undefined && message.length > keptMessage) messages.set(event.stream, message);
      question.event(event);
    },
  };
}

const failures: ReadonlySet<string> = new Set(['BuildAttemptFailed', 'BuildSetupFailed', 'BuildFailed']);

export function askAgent(name: string): Question {
  return ofFarm((farm, { last, at }) => {
    const agent = farm.agents.get(name);
    if (!agent) throw missing('agent', name, last);
    const status = agentStatusOf(farm, agent, { until: loggedUntil(agent) });
    return {
      value: status,
      text: (view) => formatAgent(status, asOf(view, at)),
      names: [name],
      notInLog: 'heartbeats, load and free disk',
    };
  });
}

export function askBuild(id: string): Question {
  const stream = `build-${id}`;
  return ofViews(
    // The derivation comes first, when it is not known yet which one it is.
    ({ stream: of, type }) => of === stream || type === 'DerivationAdded' || type === 'EarlierBuildsRecorded',
    (views, { last, at }) => {
      const build = views.build(id);
      if (!build) throw missing('build', id, last);
      return { value: build, text: (view) => formatBuild(build, asOf(view, at)), names: [id] };
    },
  );
}

/** Builds that had not ended, or those of some states. */
export function askQueue(
  states: readonly (typeof buildFilterStates)[number][] = ['queued', 'allocated', 'running'],
  filter: Omit<BuildFilter, 'state' | 'among'>,
  paging: Paging,
): Question {
  const farm = createFarm(0, false);
  const ofRows = ofViews(
    ({ stream, type }) => stream.startsWith('build-') || type === 'DerivationAdded',
    (views, { last, at }) => {
      const { agent, submission } = filter;
      // No empty list is to hide a misspelling.
      if (agent !== undefined && !farm.agents.get(agent)) throw noSuch('agent', agent, last);
      if (submission !== undefined && !farm.submissions.get(submission)) throw noSuch('submission', submission, last);
      wakeDue(farm, at);
      const known = createStandings(farm);
      const found = views.builds({ ...filter, ...inStates(known, states) }, paging);
      const page = { ...found, rows: found.rows.map((row) => withStanding(known, row)) };
      return {
        value: page,
        text: (view) => formatBuilds(page.rows, asOf(view, at)),
        names: page.rows.map((row) => row.id),
        next: page.next,
      };
    },
  );
  return {
    ...ofRows,
    event(event) {
      foldEvent(farm, event);
      ofRows.event(event);
    },
  };
}

/** @param path base name of the item. */
export function askItem(path: string): Question {
  const hash = path.slice(0, hashPartLength);
  const stream = `item-${hash}`;
  let latest: StoredEvent | undefined;
  return ofViews(
    (event) => {
      if (event.stream !== stream) return false;
      latest = event;
      return true;
    },
    (views, { last, at }) => {
      const item = views.item(hash);
      if (item?.path === path) return { value: item, text: () => formatItem(item, at), names: [path] };
      throw missing('item', path, last, latest);
    },
  );
}

/** Times in words are as they were then. */
const asOf = (view: View, at: number): View => ({ ...view, now: () => at });

function ofFarm(answer: (farm: Farm, moment: Moment) => Answer): Question {
  const farm = createFarm(0, false);
  return {
    event: (event) => void foldEvent(farm, event),
    answer(moment) {
      wakeDue(farm, moment.at);
      return answer(farm, moment);
    },
    [Symbol.dispose]() {},
  };
}

function ofViews(
  matters: (event: StoredEvent) => boolean,
  answer: (views: ReturnType<typeof openTemporaryViews>, moment: Moment) => Answer,
): Question {
  const views = openTemporaryViews();
  return {
    event(event) {
      if (matters(event)) views.add(event);
    },
    answer: (moment) => answer(views, moment),
    [Symbol.dispose]: () => views[Symbol.dispose](),
  };
}

/** The same of what is the value of a flag, which is a wrong use. */
function noSuch(kind: 'agent' | 'submission', id: string, last: StoredEvent): CliError {
  return new CliError(`unknown-${kind}`, `--${kind}: there was no ${kind} ${id} at ${last.position}`, { exitCode: 2 });
}

/** @param latest what happened to it last, where it was there before. */
function missing(kind: 'build' | 'item' | 'agent', id: string, last: StoredEvent, latest?: StoredEvent): CliError {
  const { reason } = (latest?.data ?? {}) as { reason?: string };
  const went =
    latest === undefined
      ? ''
      : ` any more: ${latest.type} at ${timeOf(latest)}, by ${latest.meta.actor}${reason === undefined ? '' : ` (${reason})`}`;
  return new CliError(`unknown-${kind}`, `there was no ${kind} ${id} at ${last.position}${went}`);
}
