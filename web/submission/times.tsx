import { Name } from '../parts/name.tsx';
import { Table } from '../parts/table.tsx';
import { Took } from '../parts/time.tsx';
import { count, duration } from '../words/format.ts';
import { buildLink } from '../words/links.ts';
import { adviceText, kindsOf, type PhaseSums, phaseKind, phasesOf, phaseWords, share, type Times } from './phases.ts';

/** What is shorter is not put in words, but for in sums. */
const leastMs = 50;

/** Where the time of a submission went, waiting against building: of what decided when it ended, and of all its builds. */
export function TimesView({ times }: { readonly times: Times }) {
  const { builds, phases, untold, criticalPath: path, advice } = times;
  const all = path.to - path.from;
  const rest = path.builds - path.steps.length;
  return (
    <>
      <p>
        {path.builds === 1 ? 'One build' : `${count(path.builds)} builds, each waiting for the one before it,`} in{' '}
        {duration(all)}: {path.ended ? 'what decided when all of it ended' : 'what decides when all of it ends, so far'}
        .
      </p>
      <Phases label="time of the critical path" sums={path.phases} />
      {advice.length > 0 && (
        <>
          <h3>What would have made it faster</h3>
          <ul>
            {advice.map((one, index) => (
              <li key={index}>{adviceText(one, all)}</li>
            ))}
          </ul>
        </>
      )}
      <h3>Its builds, one after the other</h3>
      {rest > 0 && (
        <p class="quiet">
          The last {path.steps.length}; {count(rest)} came before them.
        </p>
      )}
      <Table
        rows={path.steps}
        keyOf={({ build, from }) => `${build} ${from}`}
        columns={[
          { title: 'Build', cell: ({ build, derivation }) => <Name base={derivation} href={buildLink(build)} /> },
          { title: 'Took', class: 'number', cell: ({ from, to }) => <Took from={from} to={to} /> },
          {
            title: 'Of that',
            class: 'wide',
            cell: ({ from, to, phases: own }) => (
              <>
                <Along from={from - path.from} to={to - path.from} all={all} sums={own} />
                <span class="quiet">
                  {phasesOf(own)
                    .filter(({ ms }) => ms >= leastMs)
                    .map(({ phase, ms }) => `${phaseWords[phase]} ${duration(ms)}`)
                    .join(', ')}
                </span>
              </>
            ),
          },
        ]}
      />
      <h3>Time of all its builds, added up</h3>
      <p class="quiet">{count(builds)} builds, those that it joined included.</p>
      <Phases label="time of all builds" sums={phases} />
      {untold > 0 && (
        <p class="quiet">
          {count(untold)} attempts of older agents did not say how long they fetched: that is with allocated.
        </p>
      )}
    </>
  );
}

/** Phases as a bar, with words and figures. */
function Phases({ label, sums }: { readonly label: string; readonly sums: PhaseSums }) {
  const shares = phasesOf(sums);
  const all = shares.reduce((sum, { ms }) => sum + ms, 0);
  const { waiting, moving, building } = kindsOf(sums);
  if (all === 0) return <p class="quiet">None yet.</p>;
  const words = `${share(waiting, all)} waiting, ${share(moving, all)} on the way, ${share(building, all)} building`;
  return (
    <>
      <p>{words}.</p>
      <svg class="phases" role="img" aria-label={`${label}: ${words}`} viewBox="0 0 1000 16" preserveAspectRatio="none">
        <Parts sums={sums} from={0} width={1000} />
      </svg>
      <ul class="counts">
        {shares.map(({ phase, ms }) => (
          <li key={phase}>
            <span class={`phase ${phaseKind(phase)}`}>{phaseWords[phase]}</span> {duration(ms)}{' '}
            <span class="quiet">({share(ms, all)})</span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** A step of the path where it lies in the whole. */
function Along({
  from,
  to,
  all,
  sums,
}: {
  readonly from: number;
  readonly to: number;
  readonly all: number;
  readonly sums: PhaseSums;
}) {
  const scale = all === 0 ? 0 : 1000 / all;
  return (
    <svg class="phases" aria-hidden="true" viewBox="0 0 1000 16" preserveAspectRatio="none">
      <Parts sums={sums} from={from * scale} width={Math.max(2, (to - from) * scale)} />
    </svg>
  );
}

function Parts({ sums, from, width }: { readonly sums: PhaseSums; readonly from: number; readonly width: number }) {
  const shares = phasesOf(sums);
  const all = shares.reduce((sum, { ms }) => sum + ms, 0);
  let at = from;
  return (
    <>
      {shares.map(({ phase, ms }) => {
        const x = at;
        const own = all === 0 ? 0 : (ms / all) * width;
        at += own;
        // What waits is low, what is built is high: seen without colours too.
        const height = { waiting: 6, moving: 11, building: 16 }[phaseKind(phase)];
        return <rect key={phase} class={phaseKind(phase)} x={x} y={16 - height} width={own} height={height} />;
      })}
    </>
  );
}
