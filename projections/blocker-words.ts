import type { LastFailure } from '../domain/build/state.ts';
import type { Blocker } from './blockers.ts';
import type { NamedDeferral } from './deferrals.ts';
import { firstLine } from './first-line.ts';
import { jobClassWords } from './job-class-words.ts';
import { describeLoss } from './losses.ts';

/** What blocks builds, and what would set them going, as a sentence. */
export function describeBlocker(blocker: Blocker): string {
  const { item, state, build, failure, canceled, at, lost, remedy } = blocker;
  const again = `'${remedy}' would set this going.`;
  switch (state) {
    case 'failed': {
      const when = at === undefined ? '' : ` at ${new Date(at).toISOString()}`;
      return `${item}: build ${build} of it failed${when}${failure === undefined ? '.' : `: ${told(failure)}`} ${again}`;
    }
    case 'canceled':
      return `${item}: build ${build} of it was cancelled${describeCancellation(canceled)}. ${again}`;
    case 'no-build':
      return `${item}: nobody asked for a build of it${build === undefined ? '' : ` since ${build}, whose output is gone`}. ${again}`;
    case 'source-missing':
      return `${item}: a source that nobody has sent, and no known derivation makes it; '${remedy}' sends it, from where it is.`;
    case 'source-lost':
      return `${item}: a source that ${lost && describeLoss(lost)}, and no known derivation makes it; '${remedy}' sends it again, from where it is.`;
    case 'text-lost':
      return `${item}: build ${build} would make it, but the text of its derivation is lost; '${remedy}' sends it again.`;
    case 'no-agent':
      return `${item}: needs an agent for ${jobClassWords(blocker)}, and none takes such builds; to be done: ${remedy}.`;
  }
}

/** ` by ci (t-1) at … (wrong branch)`; ` at …, as nobody wanted it any more`. */
export function describeCancellation(canceled: Blocker['canceled']): string {
  if (canceled === undefined) return '';
  const { by, name, at, reason, unwanted } = canceled;
  // What nobody wants ends by itself where no token had part in it.
  const who = unwanted && name === undefined ? '' : byWhom({ by, name });
  const end = unwanted ? ', as nobody wanted it any more' : '';
  return `${who} at ${new Date(at).toISOString()}${end}${because(reason)}`;
}

/** ` by ci (t-1) at … (not before the night)`. */
export function describeDeferral({ by, name, at, reason, submission }: NamedDeferral): string {
  const whose = submission === undefined ? '' : `, to when the submission ${submission} is deferred, which needs it`;
  return `${byWhom({ by, name })} at ${new Date(at).toISOString()}${whose}${because(reason)}`;
}

/** ` by ci (t-1)`; ` by t-1`, where its name is not known. */
function byWhom({ by, name }: { readonly by: string; readonly name: string | undefined }): string {
  return by === '' ? '' : ` by ${name === undefined ? by : `${name} (${by})`}`;
}

const because = (reason: string | undefined): string => (reason === undefined ? '' : ` (${reason})`);

/** `attempt 2 on builder-1: timed-out: …`, as a sentence: with the first line of a message that has several. */
export function told({ attempt, agent, class: failure, message }: LastFailure): string {
  const line = firstLine(message.trim());
  const text = line === '' ? '' : `: ${line}`;
  return `attempt ${attempt}${agent === '' ? '' : ` on ${agent}`}: ${failure}${text}${/[.…]$/.test(line) ? '' : '.'}`;
}
