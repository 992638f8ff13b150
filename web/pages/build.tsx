import type { DroverEvent, Operations } from 'drover/client';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { LogView } from '../log/log-view.tsx';
import { Action } from '../parts/action.tsx';
import { standingOf } from '../parts/build-table.tsx';
import { Failure, WholeFailure } from '../parts/failure.tsx';
import { Inputs } from '../parts/inputs.tsx';
import { Name } from '../parts/name.tsx';
import { Prioritize } from '../parts/prioritize.tsx';
import { Said } from '../parts/said.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { Then } from '../parts/then.tsx';
import { Time, Took } from '../parts/time.tsx';
import { useNameAsTitle } from '../parts/title.ts';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { Why } from '../parts/why.tsx';
import { withQuery } from '../router.ts';
import { mayAct, type Self } from '../session/session.ts';
import { inOneLine } from '../words/failures.ts';
import { bytes, duration, splitName } from '../words/format.ts';
import { agentLink, buildLink, derivationLink, itemLink, submissionLink } from '../words/links.ts';
import { pageOfEvent, wereCanceled } from '../words/things.ts';
import type { PageProps } from './all.tsx';

type Build = Operations['getBuild']['answer'];

/** One build: why it waits, its attempts and their logs, what came of it, and all that happened to it. */
export function BuildPage({ self, query, id }: PageProps) {
  const isOwn = ({ stream }: DroverEvent): boolean => stream === `build-${id}`;
  const build = useLoaded(`build ${id}`, () => drover.getBuild({ build: id }), isOwn);
  return (
    <>
      {build.value === undefined && <h1>Build {id}</h1>}
      <WhenLoaded of={build}>
        {(found) => <Found build={found} self={self} query={query} reload={build.reload} />}
      </WhenLoaded>
    </>
  );
}

function Found({
  build,
  self,
  query,
  reload,
}: {
  readonly build: Build;
  readonly self: Self;
  readonly query: URLSearchParams;
  readonly reload: () => void;
}) {
  const { id, derivation, submission, attempts, outputs } = build;
  const isOver = ['succeeded', 'failed', 'canceled'].includes(build.state);
  const asked = Number(query.get('attempt'));
  const attempt = attempts.some((one) => one.attempt === asked) ? asked : attempts.at(-1)?.attempt;
  const line = Number(query.get('line'));
  useNameAsTitle(`${splitName(derivation).name}, build ${id}`);
  return (
    <>
      <h1>
        <Name base={derivation} />
      </h1>
      <dl class="facts panel">
        <dt>State</dt>
        <dd>
          <State state={standingOf(build)} />
        </dd>
        <dt>Build</dt>
        <dd>
          <code>{id}</code>, for <a href={submissionLink(submission)}>submission {submission}</a> ({build.reason})
        </dd>
        <dt>Derivation</dt>
        <dd>
          <code>{derivation}</code>, <a href={derivationLink(derivation)}>all builds of it</a>
        </dd>
        <dt>System</dt>
        <dd>{build.system}</dd>
        <dt>Priority</dt>
        <dd>{build.priority}</dd>
        {Object.keys(build.tags).length > 0 && (
          <>
            <dt>Tags</dt>
            <dd>
              {Object.entries(build.tags).map(([key, value]) => (
                <a key={key} href={`/builds?tag=${encodeURIComponent(`${key}=${value}`)}`}>
                  {key}={value}{' '}
                </a>
              ))}
            </dd>
          </>
        )}
        <dt>Submitted</dt>
        <dd>
          <Time at={build.submittedAt} />
        </dd>
        {build.startedAt !== null && (
          <>
            <dt>{build.endedAt === null ? 'Building for' : 'Built in'}</dt>
            <dd>
              <Took from={build.startedAt} to={build.endedAt} />
            </dd>
          </>
        )}
        {build.before !== undefined && (
          <>
            <dt>Took before</dt>
            <dd>{duration(build.before)}, in the median of the last five</dd>
          </>
        )}
        {build.failure !== null && (
          <>
            <dt>{isOver ? 'Failed' : 'Last failure'}</dt>
            <dd>
              <WholeFailure failure={build.failure} />
            </dd>
          </>
        )}
        <dt>Outputs</dt>
        <dd>
          {Object.entries(outputs).map(([name, path]) => (
            <div key={name}>
              {name}: {build.state === 'succeeded' ? <a href={itemLink(path)}>{path}</a> : <span>{path}</span>}
            </div>
          ))}
        </dd>
      </dl>
      <Actions build={build} isOver={isOver} self={self} reload={reload} />
      <Why build={id} />
      {attempts.length > 0 && (
        <section aria-labelledby="attempts">
          <h2 id="attempts">Attempts</h2>
          <Table
            rows={attempts}
            keyOf={(one) => String(one.attempt)}
            columns={[
              {
                title: 'Attempt',
                cell: (one) => (
                  <a
                    href={withQuery({ attempt: String(one.attempt), line: '' })}
                    aria-current={one.attempt === attempt ? 'true' : undefined}
                  >
                    {one.attempt}
                  </a>
                ),
              },
              { title: 'Agent', cell: ({ agent }) => <a href={agentLink(agent)}>{agent}</a> },
              {
                title: 'Outcome',
                cell: ({ outcome, failure }) => (
                  <>
                    <State state={outcome} />
                    {failure !== null && <Failure failure={failure} />}
                  </>
                ),
              },
              { title: 'Given', class: 'when', cell: ({ allocatedAt }) => <Time at={allocatedAt} /> },
              {
                title: 'Built for',
                class: 'number',
                cell: ({ startedAt, endedAt }) => <Took from={startedAt} to={endedAt} />,
              },
              { title: 'Log', class: 'number', cell: ({ logBytes }) => logBytes !== null && bytes(logBytes) },
            ]}
          />
        </section>
      )}
      {attempt !== undefined && (
        <LogView
          key={attempt}
          build={id}
          attempt={attempt}
          line={Number.isInteger(line) && line > 0 ? line : undefined}
          size={attempts.find((one) => one.attempt === attempt)?.logBytes ?? null}
        />
      )}
      <Inputs build={id} />
      <History build={id} />
    </>
  );
}

function Actions({
  build: { id, state, priority },
  isOver,
  self,
  reload,
}: {
  readonly build: Build;
  readonly isOver: boolean;
  readonly self: Self;
  readonly reload: () => void;
}) {
  if (!mayAct(self, 'submit')) return null;
  return (
    <div class="actions fields">
      <Action
        offered={!isOver}
        name="Cancel"
        confirm="Cancel this build for its submission? It ends, and what nobody wants without it, unless another submission wants it."
        act={async () => {
          const { canceled } = await drover.cancelBuild({ build: id });
          return canceled === 0 ? 'Others want it: it goes on.' : wereCanceled(canceled);
        }}
        done={reload}
      />
      <Action
        offered={state === 'failed' || state === 'canceled'}
        name="Build again"
        act={async () => {
          const { submission } = await drover.retryBuild({ build: id });
          return (
            <>
              Submitted as <a href={submissionLink(submission)}>{submission}</a>.
            </>
          );
        }}
        done={reload}
      />
      <SetPriority build={id} priority={priority} offered={!isOver} done={reload} />
    </div>
  );
}

function SetPriority({
  build,
  priority,
  offered,
  done,
}: {
  readonly build: string;
  readonly priority: number;
  readonly offered: boolean;
  readonly done: () => void;
}) {
  // Where it goes back to is in the event that it began with.
  const submitted = useLoaded(`submitted ${build}`, async () => {
    const event = offered ? ((await drover.getEvent({ event: `build-${build}@0` })) as DroverEvent) : undefined;
    return event?.type === 'drover.BuildSubmitted' ? event.data.options.priority : undefined;
  });
  return (
    <Prioritize
      offered={offered}
      priority={priority}
      usual={submitted.value}
      change={async (next) => {
        await drover.prioritizeBuild({ build, priority: next });
        return `Its priority is ${next} now.`;
      }}
      done={done}
    />
  );
}

/** Its events and waits from the log, in order. */
function History({ build }: { readonly build: string }) {
  const loaded = useLoaded(
    `history ${build}`,
    () => drover.getBuildHistory({ build, limit: 200 }),
    ({ stream }) => stream === `build-${build}`,
  );
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <WhenLoaded of={loaded}>
        {({ entries, cut }) => (
          <>
            <ol class="timeline">
              {entries.map((entry, index) => (
                <li key={index} class={entry.kind === 'wait' ? 'waited' : undefined}>
                  <span class="when">
                    <Time at={entry.at} />
                  </span>
                  <span class="quiet">{entry.since > 0 ? `+${duration(entry.since)}` : ''}</span>
                  <span>
                    <Said text={inOneLine(entry.summary)} />
                    {entry.position !== undefined && (
                      <>
                        {' '}
                        <Then position={entry.position} href={pageOfEvent(entry.event ?? '') ?? buildLink(build)} />
                      </>
                    )}
                  </span>
                </li>
              ))}
            </ol>
            {cut.map((text) => (
              <p key={text} class="quiet">
                Not told: {text}.
              </p>
            ))}
          </>
        )}
      </WhenLoaded>
    </section>
  );
}
