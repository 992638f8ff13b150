import type { Operations } from 'drover/client';
import { Name } from '../parts/name.tsx';
import { Said } from '../parts/said.tsx';
import { State } from '../parts/state.tsx';
import { Time } from '../parts/time.tsx';
import { failureText, inOneLine } from '../words/failures.ts';
import { count } from '../words/format.ts';
import { agentLink, buildLink } from '../words/links.ts';

type Submission = Operations['getSubmission']['answer'];
export type Blocker = Submission['blockers'][number];

/** What keeps builds from going on, and what whoever can would do about it. */
export function Blockers({ submission }: { readonly submission: Submission }) {
  const { blocked, agentless, unfinished, blockers, total, more } = submission;
  return (
    <section aria-labelledby="blocked">
      <h2 id="blocked">What blocks it</h2>
      <div class="panel verdict bad">
        <p>
          {count(blocked)} of {count(unfinished)} builds that have not ended cannot go on without somebody
          {agentless > 0 && <> ({count(agentless)} for want of an agent alone)</>}.
        </p>
        <ul>
          {blockers.map((blocker) => (
            <li key={`${blocker.state} ${blocker.item}`}>
              <BlockerWords blocker={blocker} />
            </li>
          ))}
        </ul>
        {total > blockers.length && (
          <p class="quiet">
            and {count(total - blockers.length)} {more === true ? 'or more ' : ''}others
          </p>
        )}
      </div>
    </section>
  );
}

function BlockerWords({ blocker }: { readonly blocker: Blocker }) {
  const { item, derivation, build, state, waiting, blocks, remedy, agents } = blocker;
  return (
    <>
      <State state={state} />{' '}
      <Name base={derivation ?? item} href={build === undefined ? undefined : buildLink(build)} />
      <div>
        <Reason blocker={blocker} />{' '}
        <span class="quiet">
          {count(waiting)} {waiting === 1 ? 'build' : 'builds'} of this submission {waiting === 1 ? 'waits' : 'wait'}{' '}
          for it{blocks !== undefined && blocks > waiting && <>, {count(blocks)} in the whole farm</>}.
        </span>
      </div>
      {agents !== undefined && agents.length > 0 && (
        <ul class="tree">
          {agents.map(({ name, obstacle }) => (
            <li key={name}>
              <a href={agentLink(name)}>{name}</a> <Said text={obstacle} />
            </li>
          ))}
        </ul>
      )}
      <div>
        What helps: <code>{remedy}</code>
      </div>
    </>
  );
}

function Reason({
  blocker: { state, failure, canceled, at, lost, system, features = [] },
}: {
  readonly blocker: Blocker;
}) {
  switch (state) {
    case 'failed':
      return (
        <>
          Its build failed
          {at !== undefined && (
            <>
              {' '}
              at <Time at={at} />
            </>
          )}
          {failure !== undefined && (
            <>
              , attempt {failure.attempt}
              {failure.agent !== '' && <> on {failure.agent}</>}:{' '}
              {failureText(failure.class, inOneLine(failure.message))}
            </>
          )}
          .
        </>
      );
    case 'canceled':
      return (
        <>
          Its build was cancelled
          {canceled !== undefined && (
            <>
              {canceled.by !== '' && <> by {canceled.name ?? canceled.by}</>} at <Time at={canceled.at} />
              {canceled.unwanted === true && <>, as nobody wanted it any more</>}
              {canceled.reason !== undefined && <> ({canceled.reason})</>}
            </>
          )}
          .
        </>
      );
    case 'no-build':
      return <>Nobody asked for a build of it{at !== undefined && <> since its output went</>}.</>;
    case 'source-missing':
      return <>A source that nobody has sent, and no known derivation makes it.</>;
    case 'source-lost':
      return (
        <>
          A source that {lost?.how === 'deleted' ? 'was deleted' : 'was found to be missing'}
          {lost !== undefined && (
            <>
              {' '}
              at <Time at={lost.at} />
              {lost.name !== undefined && <> by {lost.name}</>} ({lost.reason})
            </>
          )}
          , and no known derivation makes it.
        </>
      );
    case 'text-lost':
      return <>The text of the derivation that makes it is lost.</>;
    case 'no-agent':
      return (
        <>
          It needs an agent for {system ?? 'its system'}
          {features.length > 0 && <> with {features.join(', ')}</>}, and none takes such builds.
        </>
      );
  }
}
