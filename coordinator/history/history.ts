import { isEnded } from '../../domain/build/state.ts';
import type { DroverEvent } from '../../domain/events.ts';
import { hashPartLength } from '../../domain/store/store-path.ts';
import { buildId } from '../../projections/builds.ts';
import { jobClassWords } from '../../projections/job-class-words.ts';
import { sumPhases } from '../../projections/submission-times.ts';
import type { Phase, Span } from '../../projections/timeline.ts';
import type { Core } from '../core.ts';
import { decodeEvent, type RecordedEvent } from '../log/event-codec.ts';
import type { Position, StreamId } from '../ports/event-store.ts';
import type { BuildHistory, HistoryEntry } from './entries.ts';
import { type HookOutcome, hookOutcomes } from './hook-results.ts';
import type { KnownBuild } from './past.ts';
import { readWaitedInputs, type WaitedInputs } from './waited-inputs.ts';
import { wordsOf } from './words.ts';

/** Events of each of these that a story has at most: what is left out is counted. */
const mostOutputs = 64;
const mostItemEvents = 50;
const mostSubmissions = 50;
const mostSiblings = 50;

type Line = Omit<HistoryEntry, 'since'>;

/**
 * The story of a build, from the log: its own events, those of its outputs, of the submissions that asked for it, of other builds of the
 * same derivation, and what hooks made of its events; with every wait between them.
 * Fails where the build is forgotten meanwhile: who asked looks for it again.
 *
 * @param page events of the build's own stream to go by: `after` a revision, `limit` at most.
 */
export async function buildHistory(
  core: Pick<Core, 'farm' | 'log' | 'runtime'>,
  { farm, build }: KnownBuild,
  { after, limit }: { readonly after?: number | undefined; readonly limit: number },
): Promise<BuildHistory> {
  const { log, runtime } = core;
  const { graph, queue, timeline, tokens } = farm;
  const id = buildId(build);
  const now = runtime.clock.now();
  const spans = timeline.spans(build, graph.jobClass(build.drv), now);
  const cut: string[] = [];

  // The event that the page before ended with comes first, to tell what is between the two.
  const own = await read(`build-${id}`, after ?? 0, limit + 2);
  const previous = after === undefined ? undefined : own.shift();
  const page = own.slice(0, limit);
  const isLast = own.length <= limit;
  const next = isLast ? undefined : page.at(-1)?.revision;
  /** What else belongs between the events of this page, by its place in the log. */
  const isWithin = ({ position }: { readonly position: Position }): boolean =>
    (previous === undefined || position > previous.position) && (isLast || position <= (page.at(-1)?.position ?? ''));

  async function read(stream: StreamId, from: number, most: number): Promise<RecordedEvent[]> {
    const found: RecordedEvent[] = [];
    for await (const stored of log.read(stream, { from, limit: most })) {
      const event = decodeEvent(stored);
      if (event.known) found.push(event);
      else cut.push(`${stored.stream}@${stored.revision}: ${event.problem}`);
    }
    return found;
  }

  async function related(): Promise<RecordedEvent[]> {
    const found: RecordedEvent[] = [];
    const wants = [build.submission, ...farm.submissions.joinedTo(id)];
    if (wants.length > mostSubmissions)
      cut.push(`${wants.length - mostSubmissions} submissions that asked for it as well`);
    for (const submission of wants.slice(0, mostSubmissions))
      found.push(...(await read(`submission-${submission}`, 0, 1)));
    const outputs = graph.outputs(build.drv);
    if (outputs.length > mostOutputs) cut.push(`events of ${outputs.length - mostOutputs} outputs`);
    for (const { item } of outputs.slice(0, mostOutputs)) {
      const path = graph.itemPath(item);
      const events = await read(`item-${path.slice(0, hashPartLength)}`, 0, mostItemEvents + 1);
      if (events.length > mostItemEvents) cut.push(`events of ${path} after its first ${mostItemEvents}`);
      found.push(...events.slice(0, mostItemEvents));
    }
    // Names, as any of them may be forgotten while they are read.
    const siblings: string[] = [];
    for (let other = queue.latest(build.drv); other; other = other.previous)
      if (other.row !== build.row) siblings.push(buildId(other));
    for (const other of siblings.slice(0, mostSiblings)) found.push(...(await read(`build-${other}`, 0, 1)));
    if (siblings.length > mostSiblings)
      cut.push(`${siblings.length - mostSiblings} older builds of the same derivation`);
    return found.filter(isWithin);
  }

  const events = [...page, ...(await related())].sort((a, b) => (a.position < b.position ? -1 : 1));
  const isWhole = farm === core.farm;
  const waits = spans.filter(({ phase, to }) => isWhole && isWait(phase) && isOfPage(to));
  if (!isWhole) cut.push('what it waited for, which is held of the builds that ended last');
  const inputs = waits.some(({ phase }) => phase === 'inputs') ? await readWaitedInputs(core, build) : undefined;
  if (inputs && inputs.left > 0) cut.push(`${inputs.left} inputs, of which it was not looked when they came`);

  /** A wait is of the page on which it ends. */
  function isOfPage(to: number): boolean {
    return (previous === undefined || to > previous.at) && (isLast || to <= (page.at(-1)?.at ?? 0));
  }

  const lines: (Line & { readonly order: number })[] = [];
  // Clocks are set back now and then: what came later in the log is told later.
  let clock = 0;
  for (const event of events) {
    clock = Math.max(clock, event.at);
    lines.push({ ...eventLine(event), at: clock, order: 1 });
  }
  for (const wait of waits) lines.push({ ...waitLine(wait, inputs), order: 0 });
  for (const outcome of await hookOutcomes(core, page, farm)) lines.push({ ...hookLine(outcome), order: 2 });
  // A wait goes before what ended it; events that share a millisecond go by their places in the log.
  lines.sort((a, b) => a.at - b.at || a.order - b.order || comparePlaces(a.position, b.position));

  let before = lines[0]?.at ?? 0;
  const entries = lines.map(({ order: _, ...line }): HistoryEntry => {
    const since = Math.max(0, line.at - before);
    before = Math.max(before, line.at);
    return { ...line, since };
  });
  const from = spans[0]?.from ?? timeline.endedAt(build) ?? now;
  return {
    build: id,
    derivation: graph.drvPath(build.drv),
    state: build.state.status,
    from,
    to: timeline.endedAt(build) ?? Math.max(from, now),
    phases: sumPhases(spans.filter(({ phase }) => isWhole || !isWait(phase))),
    entries,
    ...(next !== undefined && { next }),
    cut,
  };

  function eventLine(event: RecordedEvent): Line {
    const { stream, revision, position, at, type, meta } = event;
    const category = stream.slice(0, stream.indexOf('-'));
    const isOwn = stream === `build-${id}`;
    const data = event.data as { attempt?: number };
    const attempt = isOwn ? data.attempt : undefined;
    const words =
      category === 'build' && !isOwn
        ? `the same derivation was submitted again, or had been, as build ${stream.slice('build-'.length)} (${(event as Submitted).data.reason})`
        : wordsOf(event as DroverEvent, (n) => build.state.agents[n - 1]);
    return {
      kind: 'event',
      at,
      position,
      event: `${stream}@${revision}`,
      type,
      actor: tokens.get(meta.actor)?.name ?? meta.actor,
      summary: category === 'submission' ? `${words}: ${stream.slice('submission-'.length)}` : words,
      ...(attempt !== undefined && { attempt }),
      ...(attempt !== undefined && endsAttempt.has(type) && attemptFacts(attempt)),
    };
  }

  function attemptFacts(attempt: number): Pick<HistoryEntry, 'log' | 'phases' | 'unknown'> {
    const mine = spans.filter((span) => span.attempt === attempt);
    const has = (phase: Phase): boolean => mine.some((span) => span.phase === phase);
    const ran = has('building');
    return {
      phases: sumPhases(mine),
      ...(!has('fetching') && { unknown: ['fetching' as const] }),
      ...(ran && { log: `/v1/builds/${id}/log?attempt=${attempt}` }),
    };
  }

  function waitLine(span: Span, known: WaitedInputs | undefined): Line {
    const { phase, from: began, to, cause } = span;
    const goesOn = to === now && !isEnded(build.state.status) && span === spans.at(-1);
    const waited = phase === 'inputs' ? known?.of(span) : undefined;
    const kind = jobClassWords(graph.jobClass(build.drv));
    const what = {
      deferred: 'the time that it is deferred to',
      inputs: 'inputs',
      'text-lost': 'the lost text of its derivation',
      'back-off': 'its retry to be due',
      'no-agent': `an agent that takes builds for ${kind}${cause === undefined ? '' : `: ${cause}`}`,
      slot: `a free slot for ${kind}`,
    }[phase as 'inputs'];
    return {
      kind: 'wait',
      at: to,
      summary: `${goesOn ? 'has waited until now' : 'waited'} for ${what}`,
      wait: phase,
      ms: to - began,
      ...waited,
    };
  }

  function hookLine({ hook, event, result, at, position, attempts, unsure }: HookOutcome): Line {
    const about = `${event.stream}@${event.revision}`;
    const words = {
      delivered: 'was delivered by this time, as a checkpoint says',
      settled: unsure === undefined ? 'was delivered or skipped; when was not looked for any further' : doubts[unsure],
      skipped: 'was skipped by an operator',
      parked: `is parked after ${attempts} failed deliveries`,
      failing: `has failed ${attempts} times and will be delivered again`,
      owed: `was not ${unsure === undefined ? 'delivered' : 'seen by it'} yet, as far as it is written down`,
    }[result];
    return {
      kind: 'hook',
      at,
      ...(position !== undefined && { position }),
      event: about,
      summary: `hook ${hook}: ${event.type} ${words}`,
      hook,
      result,
    };
  }
}

/** Of what the hook has behind it, whether it was sent or not. */
const doubts = {
  'changes-only': 'was seen by this time; the hook is told only of what broke or was fixed',
  'other-then': 'was behind it by this time, as a checkpoint says; the hook was another then',
} as const;

type Submitted = Extract<DroverEvent, { type: 'BuildSubmitted' }>;

const endsAttempt: ReadonlySet<string> = new Set([
  'BuildSucceeded',
  'BuildAttemptFailed',
  'BuildSetupFailed',
  'BuildReleased',
]);

const waits: ReadonlySet<Phase> = new Set(['deferred', 'inputs', 'text-lost', 'back-off', 'no-agent', 'slot']);
const isWait = (phase: Phase): boolean => waits.has(phase);

function comparePlaces(a: Position | undefined, b: Position | undefined): number {
  if (a === b) return 0;
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
  return a < b ? -1 : 1;
}
