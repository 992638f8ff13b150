import type { Command } from 'commander';
import type { Blockage, SubmissionTimes } from '../../coordinator/application.ts';
import type { Page, SubmissionRow } from '../../coordinator/ports/views.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { resolveId } from '../http/resolve-id.ts';
import { wholeNumber } from '../numbers.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { formatSubmissionTimes } from '../output/submission-times.ts';
import { formatSubmission, formatSubmissions } from '../output/submissions.ts';

type Flags<More = object> = ConnectionFlags & OutputFlags & More;
/** Of the submission whose id begins so. */
async function pathOf(client: Client, id: string): Promise<string> {
  return `/v1/submissions/${encodeURIComponent(await resolveId(client, 'submissions', id))}`;
}

export function addSubmissionsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const submissions = addGroup(program, {
    usage: 'submissions',
    summary: 'List submissions, look into them, bring back those that were set aside',
    examples: [['drover submissions list', 'what was submitted, the newest first']],
  });

  const list = addCommand(submissions, {
    usage: 'list',
    summary: 'List submissions, the newest first',
    more: 'A submission is under way until all its builds are made, and queued then. Once they have ended, those of others that it joined included, it has failed if one of them has, was canceled if one was, and has succeeded otherwise. One over which the coordinator stood still is set aside: its watchdog ended it, and the next start made no more of its builds.',
    examples: [['drover submissions list', 'state, builds, and why one is set aside']],
  })
    .option('--limit <n>', 'rows per page, 1 to 1000', wholeNumber(1, 1000), 50)
    .option('--after <cursor>', 'go on where the page before ended');
  addConnectionOptions(addWatchOption(addOutputOptions(list)));
  onAction(list, context, async (flags: Flags<{ limit: number; after?: string } & ListingFlags>) => {
    const { limit, after } = flags;
    const client = connect(flags, io);
    return printListing<SubmissionRow>(io, flags, {
      client,
      streams: ['submission-', 'build-'],
      async load() {
        const page = await client.get<Page<SubmissionRow>>('/v1/submissions', { limit, after });
        return { value: page, rows: page.rows, text: formatSubmissions, name: ({ id }) => id, next: page.next };
      },
    });
  });

  const show = addCommand(submissions, {
    usage: 'show <submission>',
    summary: 'Show one submission: how its builds are, what blocks those that cannot run, and where its time went',
    more: [
      'The critical path is the chain of builds that determined when the submission ended, or so far: each waited for an output of the one',
      'before it. What is said to have saved time is an upper bound: another chain may be nearly as long.',
    ].join(' '),
    examples: [
      ['drover submissions show SUBMISSION', 'how far it is, or what it took'],
      ['drover submissions show SUBMISSION --json', 'for a program: the times in milliseconds are in `times`'],
    ],
  });
  addConnectionOptions(addOutputOptions(show));
  onAction(show, context, async (id: string, flags: Flags) => {
    const client = connect(flags, io);
    const path = await pathOf(client, id);
    const row = await client.get<SubmissionRow & Blockage>(path);
    const { times } = await client.get<{ times: SubmissionTimes | null }>(`${path}/times`);
    await print(io, flags, {
      value: { ...row, times },
      text: (view) => `${formatSubmission(row, view)}${times === null ? '' : formatSubmissionTimes(times, view)}`,
      names: [row.id],
    });
  });

  const resume = addCommand(submissions, {
    usage: 'resume <submission>',
    summary: 'Have a submission queued that was set aside',
    more: 'Needs a token of scope admin. If the coordinator stands still over it again, its watchdog ends it again and the next start sets it aside again.',
    examples: [['drover submissions resume SUBMISSION', 'after an upgrade that mends the cause']],
  });
  addConnectionOptions(resume);
  onAction(resume, context, async (id: string, flags: Flags) => {
    const client = connect(flags, io);
    await client.send('POST', `${await pathOf(client, id)}/resume`, {});
    io.err(`The submission ${id} is being queued; drover submissions show ${id} says how far it is.\n`);
  });
}
