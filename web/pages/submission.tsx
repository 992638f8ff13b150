import type { DroverEvent, Operations } from 'drover/client';
import { useMemo, useRef } from 'preact/hooks';
import { forestOf } from '../graph/forest.ts';
import { drover } from '../live/connection.ts';
import { type Loaded, useLoaded, useNow } from '../live/loaded.ts';
import { Action } from '../parts/action.tsx';
import { BuildTable } from '../parts/build-table.tsx';
import { Counts } from '../parts/counts.tsx';
import { EventList } from '../parts/event-list.tsx';
import { Name } from '../parts/name.tsx';
import { Prioritize } from '../parts/prioritize.tsx';
import { State } from '../parts/state.tsx';
import { Time } from '../parts/time.tsx';
import { useNameAsTitle } from '../parts/title.ts';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { goTo } from '../router.ts';
import { mayAct, type Self } from '../session/session.ts';
import { Blockers } from '../submission/blockers.tsx';
import { doubtsOf, endText } from '../submission/estimate.ts';
import { GraphSection } from '../submission/graph-section.tsx';
import { TimesView } from '../submission/times.tsx';
import { WaitTree } from '../submission/wait-tree.tsx';
import { capital, count, counted, splitName } from '../words/format.ts';
import { joinedLink, submissionLink } from '../words/links.ts';
import { noBuilds, wereCanceled } from '../words/things.ts';
import type { PageProps } from './all.tsx';

type Submission = Operations['getSubmission']['answer'];
type Outlook = Operations['getSubmissionOutlook']['answer'];
type SubmissionTimes = Operations['getSubmissionTimes']['answer']['times'];
type Touches = (event: DroverEvent) => boolean;

/** One submission: how far it is, what runs for it and what blocks it, and where its time went. */
export function SubmissionPage({ self, id }: PageProps) {
  // It joins builds of others, and waits for what agents do: any of that may touch it, while it goes on.
  const touches = ({ stream }: DroverEvent): boolean =>
    stream === `submission-${id}` || /^(build|agent|item)-/.test(stream);
  // Until there is one, nothing but its own first event can change that.
  const isThere = useRef(false);
  const submission = useLoaded(
    `submission ${id}`,
    () => drover.getSubmission({ submission: id }),
    (event) => (isThere.current ? touches(event) : event.stream === `submission-${id}`),
  );
  isThere.current = submission.value !== undefined;
  return (
    <>
      {submission.value === undefined && <h1>Submission {id}</h1>}
      <WhenLoaded of={submission}>
        {(found) => <Found submission={found} self={self} touches={touches} reload={submission.reload} />}
      </WhenLoaded>
    </>
  );
}

const isOver = ({ state }: Submission): boolean => state === 'succeeded' || state === 'failed' || state === 'canceled';

function Found({
  submission,
  self,
  touches,
  reload,
}: {
  readonly submission: Submission;
  readonly self: Self;
  readonly touches: Touches;
  readonly reload: () => void;
}) {
  const { id, derivation, roots, setAside, canceled, reason, receivedAt, unfinished, blocked, priority, notQueued } =
    submission;
  const times = useLoaded(`times ${id}`, () => drover.getSubmissionTimes({ submission: id }), touches);
  const steps = times.value?.times?.criticalPath.steps.map(({ build }) => build).join(' ') ?? '';
  useNameAsTitle(derivation === null ? id : `${splitName(derivation).name}, submission ${id}`);
  const path = useMemo(() => steps.split(' '), [steps]);
  return (
    <>
      <h1>
        {derivation === null ? id : <Name base={derivation} />}
        {roots > 1 && <span class="quiet"> and {count(roots - 1)} more</span>}
      </h1>
      <dl class="facts panel">
        <dt>State</dt>
        <dd>
          <State state={submission.state} />
          {setAside !== null && <>: {setAside}</>}
          {notQueued && (
            <>
              : its builds could not be made: {notQueued.reason}; this is tried again{' '}
              {notQueued.again === null ? 'once its derivations are submitted again' : <Time at={notQueued.again} />}
            </>
          )}
        </dd>
        {canceled !== null && (
          <>
            <dt>Cancelled</dt>
            <dd>
              by {canceled.name ?? canceled.by} at <Time at={canceled.at} />
              {canceled.reason !== null && <>: {canceled.reason}</>}
            </dd>
          </>
        )}
        <dt>Submission</dt>
        <dd>
          <code>{id}</code>, {reason}
        </dd>
        {priority?.lowest !== undefined && (
          <>
            <dt>Priority</dt>
            <dd>
              {priority.lowest === priority.highest
                ? priority.lowest
                : `${priority.lowest} to ${priority.highest}, of what it asked for`}
            </dd>
          </>
        )}
        <dt>Received</dt>
        <dd>
          <Time at={receivedAt} />
        </dd>
        {unfinished > 0 && (
          <>
            <dt>Still to come</dt>
            <dd>
              {count(unfinished)} {unfinished === 1 ? 'build' : 'builds'}
            </dd>
          </>
        )}
        <Joined submission={submission} />
      </dl>
      <Actions submission={submission} self={self} reload={reload} />
      {blocked > 0 && <Blockers submission={submission} />}
      {isOver(submission) ? (
        <section aria-labelledby="progress">
          <h2 id="progress">Builds</h2>
          <Counts label={`builds of ${id}`} counts={submission.counts} none={noBuilds(submission.state)} />
        </section>
      ) : (
        <Progress id={id} touches={touches} />
      )}
      <GraphSection id={id} touches={touches} path={path} />
      <Times times={times} />
      <Builds submission={submission} touches={touches} />
      <EventList stream={`submission-${id}`} />
    </>
  );
}

function Actions({
  submission,
  self,
  reload,
}: {
  readonly submission: Submission;
  readonly self: Self;
  readonly reload: () => void;
}) {
  const { id, state, counts, priority } = submission;
  // Of one that was cancelled early there may be no build of its own.
  const hasFailed = counts.failed + counts.canceled > 0 || state === 'failed' || state === 'canceled';
  const mayRetry = mayAct(self, 'submit') && state !== 'set-aside' && hasFailed;
  return (
    <div class="actions fields">
      <Action
        offered={mayRetry}
        name="Build again what failed"
        act={async () => {
          const { submission: made, builds } = await drover.retrySubmission({ submission: id });
          if (made !== id) goTo(submissionLink(made));
          return (
            <>
              Submitted as <a href={submissionLink(made)}>{made}</a>: {counted(builds, 'build')}.
            </>
          );
        }}
        done={reload}
      />
      <Action
        offered={mayAct(self, 'submit') && !isOver(submission)}
        name="Cancel"
        confirm="Cancel this submission? Its builds end, and what nobody wants without it, unless another submission wants them."
        act={async () => {
          const { canceled, unwanted, kept } = await drover.cancelSubmission({ submission: id });
          const others =
            kept === 0
              ? ''
              : kept === 1
                ? ' One goes on, as others want it.'
                : ` ${count(kept)} go on, as others want them.`;
          return `${wereCanceled(canceled + unwanted)}${others}`;
        }}
        done={reload}
      />
      <Action
        offered={mayAct(self, 'admin') && state === 'set-aside'}
        name="Resume"
        confirm="Have this submission queued again? The coordinator stood still over it once, and was ended for it."
        act={async () => {
          await drover.resumeSubmission({ submission: id });
          return 'It is being queued.';
        }}
        done={reload}
      />
      <Prioritize
        offered={mayAct(self, 'submit') && (state === 'queued' || state === 'blocked')}
        priority={priority?.lowest === priority?.highest ? priority?.lowest : undefined}
        usual={priority?.submitted}
        change={async (next) => {
          const { builds } = await drover.prioritizeSubmission({ submission: id, priority: next });
          return (
            <>
              Its priority is {next} now. {capital(counted(builds, 'build'))} changed:{' '}
              <a href={`/events?correlation=${encodeURIComponent(id)}&type=BuildPrioritized&back=10000`}>events</a>
            </>
          );
        }}
        done={reload}
      />
    </div>
  );
}

/** How far it is, as it happens. */
function Progress({ id, touches }: { readonly id: string; readonly touches: Touches }) {
  const outlook = useLoaded(`outlook ${id}`, () => drover.getSubmissionOutlook({ submission: id }), touches);
  return (
    <>
      <section aria-labelledby="progress">
        <h2 id="progress">Progress</h2>
        <WhenLoaded of={outlook}>
          {({ counts, estimate }) => (
            <>
              <Counts label={`builds of ${id}`} counts={counts} />
              <p>
                Ends: <End estimate={estimate} />
              </p>
            </>
          )}
        </WhenLoaded>
      </section>
      {outlook.value !== undefined && outlook.value.nodes.length > 0 && <Runs outlook={outlook.value} />}
    </>
  );
}

function End({ estimate }: { readonly estimate: Outlook['estimate'] }) {
  const now = useNow();
  const doubts = doubtsOf(estimate);
  return (
    <>
      <b>{endText(estimate, now)}</b>
      {doubts.length > 0 && <span class="quiet"> ({doubts.join(', ')})</span>}
    </>
  );
}

/** What runs for it and could, and what waits for that. */
function Runs({ outlook: { nodes, counts } }: { readonly outlook: Outlook }) {
  const forest = useMemo(() => forestOf(nodes.map((node) => ({ ...node, id: node.build }))), [nodes]);
  const runs = counts.building + counts.fetching > 0;
  const { succeeded, failed, canceled, ...open } = counts;
  const all = Object.values(open).reduce((sum, one) => sum + one, 0);
  return (
    <section aria-labelledby="runs">
      <h2 id="runs">{runs ? 'What runs, and what waits for it' : 'What waits'}</h2>
      {nodes.length < all && (
        <p class="quiet">
          {count(nodes.length)} of {count(all)} builds that have not ended: what runs, what could, and above each the
          build that waits for it and has the longest way to go.
        </p>
      )}
      <div class="waitlist">
        <WaitTree forest={forest} total={nodes.length} />
      </div>
    </section>
  );
}

function Times({ times: loaded }: { readonly times: Loaded<{ readonly times: SubmissionTimes }> }) {
  return (
    <section aria-labelledby="times">
      <h2 id="times">Critical path, and where the time went</h2>
      <WhenLoaded of={loaded}>
        {({ times }) =>
          times === null ? <p class="quiet">It has no builds of its own.</p> : <TimesView times={times} />
        }
      </WhenLoaded>
    </section>
  );
}

/** Builds of others decide as well how it ends. */
function Joined({ submission: { id, joined } }: { readonly submission: Submission }) {
  if (joined !== null && Object.values(joined).every((builds) => builds === 0)) return null;
  return (
    <>
      <dt>Joined</dt>
      <dd>
        <a href={joinedLink(id)}>builds of others</a>:{' '}
        {joined === null ? 'not all have ended' : <Counts label="Builds of others that it joined" counts={joined} />}
      </dd>
    </>
  );
}

function Builds({
  submission: { id, counts },
  touches,
}: {
  readonly submission: Submission;
  readonly touches: Touches;
}) {
  const failed = useLoaded(
    `failed of ${id}`,
    async () => (await drover.listBuilds({ submission: id, state: 'failed', limit: 20 })).rows,
    touches,
  );
  const all = useLoaded(`builds of ${id}`, () => drover.listBuilds({ submission: id, limit: 20 }), touches);
  const href = `/builds?submission=${encodeURIComponent(id)}`;
  return (
    <section aria-labelledby="builds">
      <h2 id="builds">Builds of it</h2>
      {counts.failed > 0 && (
        <>
          <h3>
            <a href={`${href}&state=failed`}>Failed</a>
          </h3>
          <WhenLoaded of={failed}>{(rows) => <BuildTable rows={rows} />}</WhenLoaded>
        </>
      )}
      <h3>
        <a href={href}>All</a>
      </h3>
      <WhenLoaded of={all}>
        {({ rows, next }) => (
          <>
            <BuildTable rows={rows} />
            {next !== undefined && (
              <p>
                <a href={href}>All of them</a>
              </p>
            )}
          </>
        )}
      </WhenLoaded>
    </section>
  );
}
