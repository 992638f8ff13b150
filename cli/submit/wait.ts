import type { Command } from 'commander';
import type { SubmitResult } from '../../coordinator/application.ts';
import type { SubmissionCancellation } from '../../coordinator/ports/views.ts';
import type { Client } from '../http/client.ts';
import { type ConnectionFlags, connectionOf } from '../http/connection.ts';
import { wholeNumber } from '../numbers.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { forPrograms, type OutputFlags, print } from '../output/print.ts';
import type { DerivationSource } from './derivation-source.ts';
import { createDocument } from './document.ts';
import type { SubmissionTracker } from './follow.ts';
import { makeOutLinks } from './out-links.ts';
import { createProgress, type Progress } from './progress.ts';
import { outputsOf, type Requested } from './requested.ts';
import { createResults, type Result } from './results.ts';
import { summary, watchSubmission } from './watch.ts';

export interface WaitFlags extends ConnectionFlags, OutputFlags {
  readonly keepWaiting?: true;
  readonly agentTimeout: number;
  readonly outLink?: string;
  readonly storeRoot?: string;
}

/** Gives a command what says how long it waits. @param condition what goes before their help. */
export function addWaitOptions(command: Command, condition = ''): Command {
  return command
    .option('--keep-waiting', `${condition}go on also where nothing under way can set going what is left`)
    .option(
      '--agent-timeout <seconds>',
      `${condition}give up what has waited for an agent, and for nothing else, for so long`,
      wholeNumber(1),
      900,
    );
}

/** A submission that the coordinator has. */
export interface Waited {
  /** What a program is told of it first. */
  readonly submitted: SubmitResult;
  readonly requested: readonly Requested[];
  /** Reads its builds, as they are now. */
  readonly track: () => Promise<SubmissionTracker>;
  /** Position of the log after which its events are read, from before `track`; `undefined`: from the first. */
  readonly after: string | undefined;
  /** Given where it was cancelled before. */
  readonly canceled?: SubmissionCancellation | undefined;
  /** Milliseconds since the Unix epoch, where it came before this command. */
  readonly receivedAt?: number | undefined;
}

export interface WaitContext {
  readonly client: Client;
  readonly source: Pick<DerivationSource, 'read' | 'storeDir'>;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly io: Io;
}

/**
 * Waits until a submission has ended, and says how: output paths on standard output as they become available, all else on standard
 * error; with `-o` what that wants. Makes the links of `--out-link`. Resolves with the exit code: 0 if all succeeded, 1 if not, and that of
 * the signal that interrupted it.
 */
export async function waitForSubmission(
  { submitted, requested, track, after, canceled: canceledBefore, receivedAt }: Waited,
  flags: WaitFlags,
  { client, source, signal, progress, io }: WaitContext,
): Promise<number> {
  // On one and the same terminal it has to keep clear of the bar.
  const printLine = (line: string) => (io.terminal && io.interactive ? progress.line(line) : io.out(`${line}\n`));
  const document = createDocument('requested', printLine);
  let linking = false;
  try {
    if (flags.output === 'json') document.begin(submitted);
    const tracker = await track();
    const known: Result[] = [];
    const results = createResults({
      requested,
      available: submitted.available,
      outputsOf: (one, build) => outputsOf(one, build, source, client),
      found(one) {
        known.push(one);
        if (flags.output === 'json') document.add(one);
        else if (!forPrograms(flags)) for (const path of Object.values(one.outputs ?? {})) printLine(path);
      },
    });
    const watchOptions = {
      after,
      signal,
      results,
      keepWaiting: flags.keepWaiting === true,
      agentPatienceMs: flags.agentTimeout * 1000,
      canceled: canceledBefore,
      begun: receivedAt,
    };
    const watched = await watchSubmission(client, tracker, watchOptions, progress, io);
    const { blockage, agentless, canceled } = watched;
    progress[Symbol.dispose]();
    const end = {
      ended: tracker.ended,
      succeeded: tracker.succeeded,
      watched: [...tracker.builds.values()],
      ...(blockage && { blocked: blockage.blocked, blockers: blockage.blockers, agentless }),
      ...(canceled && { canceled }),
    };
    if (flags.output === 'json') document.end(end);
    else if (forPrograms(flags))
      await print(io, flags, {
        value: { ...submitted, requested: known, ...end },
        text: () => '',
        names: [submitted.submission],
      });
    if (!tracker.done && blockage === undefined && canceled === undefined) {
      io.err(`${goOn(submitted.submission)}\n`);
      return interruptedCode(signal);
    }
    io.err(summary(watched));
    const good = canceled === undefined && tracker.succeeded === tracker.total;
    if (good && flags.outLink !== undefined) {
      linking = true;
      using fetching = createProgress(io);
      const made = new Map(known.map((one) => [one.derivation, one.outputs ?? {}]));
      const outputs = requested.map(({ derivation }) => made.get(derivation) ?? {});
      const coordinator = connectionOf(flags, io.environment);
      const links = { path: flags.outLink, outputs };
      await makeOutLinks(links, { coordinator, client, storeRoot: flags.storeRoot, signal, progress: fetching });
    }
    return good ? 0 : 1;
  } catch (error) {
    if (!signal.aborted) throw error;
    progress[Symbol.dispose]();
    io.err(linking ? notLinked : `${goOn(submitted.submission)}\n`);
    return interruptedCode(signal);
  } finally {
    document.end({});
  }
}

const notLinked =
  'Interrupted; all builds have succeeded, but not all of what they made was fetched and linked to. The same command again does that.\n';

/** What to say of a submission that is not watched any more. */
export function goOn(submission: string): string {
  const next = [
    [`drover submissions watch ${submission}`, 'go on watching'],
    [`drover builds list --submission ${submission}`, 'how its builds are'],
    [`drover submissions cancel ${submission}`, 'stop them'],
  ] as const;
  const width = Math.max(...next.map(([command]) => command.length));
  const lines = next.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`);
  return `No longer watching; the coordinator has the submission ${submission} and goes on with it.\n${lines.join('\n')}`;
}
