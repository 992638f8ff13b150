import type { Command } from 'commander';
import type { FarmStatus } from '../../coordinator/application.ts';
import type { SubmissionRow } from '../../coordinator/ports/views.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, connect } from '../http/connection.ts';
import { lossTeller } from '../http/event-feed.ts';
import { resolveId } from '../http/resolve-id.ts';
import { storeDirOf } from '../http/store-dir.ts';
import { interruptedCode } from '../output/io.ts';
import { addOutputOptions } from '../output/print.ts';
import { printable } from '../output/text.ts';
import { openDerivationSource } from '../submit/derivation-source.ts';
import { trackSubmission } from '../submit/follow.ts';
import { readBuilds, readBuildsOf } from '../submit/known-builds.ts';
import { checkOutLink } from '../submit/out-links.ts';
import { readOwnEvents } from '../submit/own-events.ts';
import { createProgress } from '../submit/progress.ts';
import { addWaitOptions, goOn, type WaitFlags, waitForSubmission } from '../submit/wait.ts';

export function addSubmissionsWatchCommand(submissions: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(submissions, {
    usage: 'watch <submission>',
    summary: 'Follow a submission until it has ended, as "drover submit --wait" does',
    more: `What that prints, this does, on a terminal the tree too: output paths on standard output, as they become available (those of all outputs, where submit may have named some), all else on standard error, and one object with -o json; "drover submit --help" says more. It ends as that does: exit code 0 once all builds have succeeded, 1 where one did not, where nothing under way can set going what is left, or where the submission is cancelled or set aside, and 130 or 143 after SIGINT or SIGTERM, which ends the watching alone. Of a submission that has ended the result comes at once.`,
    examples: [
      ['drover submissions watch SUBMISSION', 'go on where "drover submit --wait" was interrupted'],
      ['drover submissions watch SUBMISSION --json', 'for a program: what became of each derivation, one line each'],
    ],
  });
  addWaitOptions(command)
    .option('--out-link <path>', 'fetch what was built once all has succeeded, and link to it as nix-build does')
    .option('--store-root <dir>', 'a chroot store that it is fetched into');
  addConnectionOptions(addOutputOptions(command));

  onAction(command, context, async (id: string, flags: WaitFlags) => {
    const signal = io.interrupted();
    using progress = createProgress(io);
    const client = connect(flags, io, { signal, onWait: progress.line });
    let submission: string | undefined;
    try {
      const whole = await resolveId(client, 'submissions', id);
      const storeDir = await storeDirOf(client);
      // Which stores it is for, its outputs say.
      if (flags.outLink !== undefined) checkOutLink(flags.outLink);
      const ask = () => client.get<SubmissionRow>(`/v1/submissions/${encodeURIComponent(whole)}`);
      const { state, queuedAt, receivedAt } = await ask();
      submission = whole;
      if (state === 'under-way') progress.line(`the builds of submission ${whole} are being made`);
      const isWaitedOut = async (): Promise<boolean> => {
        const { setAside } = await ask();
        if (setAside !== null) progress.line(setAsideWords(whole, setAside));
        return setAside === null || flags.keepWaiting === true;
      };
      if (state === 'set-aside' && queuedAt === null && !(await isWaitedOut())) return 1;
      const onLost = lossTeller(progress.line);
      const { roots, ...submitted } = await readOwnEvents(client, whole, { signal, onLost, setAside: isWaitedOut });
      // First: what happens while the rest is read is told by the feed.
      const { position: after } = await client.get<FarmStatus>('/v1/status');
      const { setAside, canceled } = await ask();
      if (setAside !== null && !flags.keepWaiting) return 1;
      const track = async () =>
        trackSubmission(whole, 0, [
          ...(await readBuildsOf(client, whole)),
          ...(await readBuilds(client, submitted.joined)),
        ]);
      const requested = roots.map((derivation) => ({ derivation }));
      const waited = { submitted, requested, track, after, canceled: canceled ?? undefined, receivedAt };
      const source = openDerivationSource({ storeDir, storeRoot: flags.storeRoot });
      return await waitForSubmission(waited, flags, { client, source, signal, progress, io });
    } catch (error) {
      if (!signal.aborted) throw error;
      progress[Symbol.dispose]();
      if (submission !== undefined) io.err(`${goOn(submission)}\n`);
      return interruptedCode(signal);
    }
  });
}

function setAsideWords(submission: string, reason: string): string {
  return `the submission ${submission} is set aside: ${printable(reason)}\n  drover submissions resume ${submission}  has it queued after all`;
}
