import { type Command, Option } from 'commander';
import type {
  CancelResult,
  Outlook,
  PrioritizeResult,
  SubmissionTimes,
  SubmitResult,
} from '../../coordinator/application.ts';
import { type Page, type SubmissionRow, submissionStates } from '../../coordinator/ports/views.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { resolveId } from '../http/resolve-id.ts';
import { gatherChoices, wholeNumber } from '../numbers.ts';
import { formatCancel, namesOf } from '../output/cancel.ts';
import { CliError } from '../output/cli-error.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { orOlder } from '../output/older.ts';
import { addOutputOptions, type OutputFlags, print, printOneOf } from '../output/print.ts';
import { formatSubmissionTimes } from '../output/submission-times.ts';
import { formatSubmission, formatSubmissions, type ShownSubmission } from '../output/submissions.ts';
import { plural } from '../output/text.ts';
import type { View } from '../output/view.ts';
import { priorityOf } from './priority.ts';
import { addSubmissionsWatchCommand } from './submissions-watch.ts';
import { tellBlockage } from './tell-blockage.ts';

type Flags<More = object> = ConnectionFlags & OutputFlags & More;
/** Of the submission whose id begins so. */
/** The whole id of the submission whose id begins so, and where the API has it. */
async function find(client: Client, beginning: string): Promise<{ readonly id: string; readonly path: string }> {
  const id = await resolveId(client, 'submissions', beginning);
  return { id, path: `/v1/submissions/${encodeURIComponent(id)}` };
}

export function addSubmissionsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const submissions = addGroup(program, {
    usage: 'submissions',
    summary:
      'List submissions, look into them, follow, prioritize, cancel and retry them, bring back those that were set aside',
    examples: [['drover submissions list', 'what was submitted, the newest first']],
  });

  const list = addCommand(submissions, {
    usage: 'list',
    summary: 'List submissions, the newest first',
    more: 'A submission is under way until all its builds are made, and queued then; blocked, where nothing under way can set any of those going that have not ended. Once they have ended, those of others that it joined included, it has failed if one of them has, was canceled if one was, and has succeeded otherwise. One that is cancelled as a whole is canceled at once. One over which the coordinator stood still is set aside: its watchdog ended it, and the next start made no more of its builds.',
    examples: [
      ['drover submissions list', 'what was asked for, state, builds, and why one is set aside'],
      ['drover submissions list --state blocked', 'where a person has to act'],
    ],
  })
    .addOption(
      new Option('--state <state>', `${submissionStates.join(', ')}; can be repeated`).argParser(
        gatherChoices(submissionStates),
      ),
    )
    .option('--limit <n>', 'rows per page, 1 to 1000', wholeNumber(1, 1000), 50)
    .option('--after <cursor>', 'go on where the page before ended');
  addConnectionOptions(addWatchOption(addOutputOptions(list)));
  onAction(
    list,
    context,
    async (flags: Flags<{ state?: readonly string[]; limit: number; after?: string } & ListingFlags>) => {
      const { state, limit, after } = flags;
      const client = connect(flags, io);
      return printListing<SubmissionRow>(io, flags, {
        client,
        streams: ['submission-', 'build-'],
        async load() {
          const query = { state: state?.join(','), limit, after };
          const page = await client.get<Page<SubmissionRow>>('/v1/submissions', query).catch((error: unknown) => {
            throw orOlder(error, 'state', '--state');
          });
          return { value: page, rows: page.rows, text: formatSubmissions, name: ({ id }) => id, next: page.next };
        },
      });
    },
  );

  const show = addCommand(submissions, {
    usage: 'show <submission>',
    summary:
      'Show one submission: how its builds are, when they may end, what blocks those that cannot run, and where its time went',
    more: [
      'The end is estimated from how long builds of the same names and systems took before, on the slots that there are.',
      'The critical path is the chain of builds that determined when the submission ended, or so far: each waited for an output of the one',
      'before it. What is said to have saved time is an upper bound: another chain may be nearly as long. Of a submission that ended before the builds',
      'that the coordinator remembers, it has no times: null in JSON.',
    ].join(' '),
    examples: [
      ['drover submissions show SUBMISSION', 'how far it is, or what it took'],
      ['drover submissions show SUBMISSION --json', 'for a program: the times in milliseconds are in `times`'],
    ],
  });
  addConnectionOptions(addOutputOptions(show));
  onAction(show, context, async (id: string, flags: Flags) => {
    const client = connect(flags, io);
    const { path } = await find(client, id);
    const row = await client.get<ShownSubmission>(path);
    const times = await timesOf(client, path);
    const estimate = row.unfinished === 0 ? null : await estimateOf(client, path);
    await print(io, flags, {
      value: { ...row, estimate, times: times === 'forgotten' ? null : times },
      text: (view) => `${formatSubmission(row, view, estimate)}${formatTimes(times, view, row)}`,
      names: [row.id],
    });
  });

  addSubmissionsWatchCommand(submissions, context);

  const cancel = addCommand(submissions, {
    usage: 'cancel <submission...>',
    summary: 'Cancel submissions: their builds end that nobody else wants, inputs included',
    more: 'What another submission waits for goes on; what runs on agents for nobody any more is stopped there.',
    examples: [
      ['drover submissions cancel SUBMISSION --reason "wrong branch"', 'the whole of it, and say why'],
      ['drover submissions cancel SUBMISSION --dry-run', 'what would end, and what would go on for others'],
    ],
  })
    .option('--reason <text>', 'for the record')
    .option('--dry-run', 'only say what would happen');
  addConnectionOptions(addOutputOptions(cancel));
  onAction(cancel, context, async (ids: readonly string[], flags: Flags<{ reason?: string; dryRun?: true }>) => {
    const client = connect(flags, io);
    const { reason, dryRun = false } = flags;
    for (const beginning of ids) {
      const { id, path } = await find(client, beginning);
      const result = await client.send<CancelResult>('POST', `${path}/cancel`, {
        reason,
        ...(dryRun && { preview: true }),
      });
      const text = () => `submission ${id}: ${formatCancel(result, !dryRun)}`;
      await printOneOf(ids.length, io, flags, { value: result, text, names: namesOf(result) });
    }
  });

  const prioritize = addCommand(submissions, {
    usage: 'prioritize <submission> <priority>',
    summary: 'Have what a submission asked for built sooner or later; what that waits for rises with it',
    more: 'Priorities go from -1000 to 1000; the default is 0. A build of another submission that it joined is raised where its priority is lower, and never lowered.',
    examples: [
      ['drover submissions prioritize SUBMISSION 100', 'before everything of lower priority'],
      ['drover submissions prioritize SUBMISSION 0', 'as all others again'],
    ],
  });
  addConnectionOptions(addOutputOptions(prioritize));
  onAction(prioritize, context, async (beginning: string, text: string, flags: Flags) => {
    const priority = priorityOf(text);
    const client = connect(flags, io);
    const { id, path } = await find(client, beginning);
    const result = await client.send<PrioritizeResult>('POST', `${path}/prioritize`, { priority });
    await print(io, flags, {
      value: { submission: id, priority, ...result },
      text: () => `submission ${id} has priority ${priority}: ${plural(result.builds, 'build')} changed\n`,
      names: [id],
    });
  });

  const retry = addCommand(submissions, {
    usage: 'retry <submission>',
    summary: 'Submit the same once more: what failed or was cancelled of it is built again',
    more: 'It is a new submission with the same options. What is under way is joined, what is there is not built again.',
    examples: [['drover submissions retry SUBMISSION', 'after the cause is gone']],
  });
  addConnectionOptions(addOutputOptions(retry));
  onAction(retry, context, async (id: string, flags: Flags) => {
    const client = connect(flags, io);
    const result = await client.send<SubmitResult>('POST', `${(await find(client, id)).path}/retry`);
    await print(io, flags, {
      value: result,
      text: () =>
        `submission ${result.submission}: ${plural(result.builds, 'build')}, ${result.joined.length} under way joined\n`,
      names: [result.submission],
    });
    await tellBlockage(client, [result], io);
  });

  const resume = addCommand(submissions, {
    usage: 'resume <submission>',
    summary: 'Have a submission queued that was set aside',
    more: 'Needs a token of scope admin. If the coordinator stands still over it again, its watchdog ends it again and the next start sets it aside again.',
    examples: [['drover submissions resume SUBMISSION', 'after an upgrade that mends the cause']],
  });
  addConnectionOptions(resume);
  onAction(resume, context, async (beginning: string, flags: Flags) => {
    const client = connect(flags, io);
    const { id, path } = await find(client, beginning);
    await client.send('POST', `${path}/resume`, {});
    io.err(`The submission ${id} is being queued; drover submissions show ${id} says how far it is.\n`);
  });
}

/** Where its time went; `null` where it has no builds, `forgotten` where it ended so long ago that this is not held. */
async function timesOf(client: Client, path: string): Promise<SubmissionTimes | 'forgotten' | null> {
  try {
    return (await client.get<{ times: SubmissionTimes | null }>(`${path}/times`)).times;
  } catch (error) {
    if (error instanceof CliError && error.code === 'submission-not-held') return 'forgotten';
    throw error;
  }
}

function formatTimes(times: SubmissionTimes | 'forgotten' | null, view: View, { id, state }: SubmissionRow): string {
  if (times === 'forgotten')
    return `\nleft out: where its time went, which is held of the builds that ended last; 'drover builds list --submission ${id}' has its builds\n`;
  return times === null || (state === 'canceled' && !hasRun(times)) ? '' : formatSubmissionTimes(times, view);
}

/** When it may end; `null` where the coordinator is an older one, which has no such route. */
async function estimateOf(client: Client, path: string): Promise<Outlook['estimate'] | null> {
  try {
    return (await client.get<Outlook>(`${path}/outlook`)).estimate;
  } catch (error) {
    if (error instanceof CliError && error.code === 'not-found') return null;
    throw error;
  }
}

/** Whether an agent has had any of it: of what was cancelled before, nothing would have made anything faster. */
function hasRun({ phases }: SubmissionTimes): boolean {
  return (['allocated', 'fetching', 'building', 'uploading'] as const).some((phase) => (phases[phase] ?? 0) > 0);
}
