import type { Command } from 'commander';
import { Option } from 'commander';
import type { BuildHistory, Why } from '../../coordinator/application.ts';
import {
  type BuildDetail,
  type BuildRow,
  buildFilterStates,
  type EarlierBuildRow,
  type Page,
} from '../../coordinator/ports/views.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { resolveId, resolveIds } from '../http/resolve-id.ts';
import { gatherChoices, wholeNumber } from '../numbers.ts';
import { formatHistory } from '../output/build-history.ts';
import { formatBuild, formatBuilds } from '../output/builds.ts';
import { formatEarlier } from '../output/earlier-builds.ts';
import { lastLogLines, quoteLog } from '../output/failure.ts';
import type { Io } from '../output/io.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { orOlder } from '../output/older.ts';
import { inFlags, type Place, placeOption } from '../output/place.ts';
import { addOutputOptions, forPrograms, type OutputFlags, print, printOneOf } from '../output/print.ts';
import { relativeTime } from '../output/text.ts';
import { comingOption } from '../output/when.ts';
import { formatWhy } from '../output/why.ts';
import { addBuildFilters, type BuildFilters, buildFilterFlags, buildStateWords } from './build-filters.ts';
import { type LogWish, streamLog } from './build-log.ts';
import { addBuildsCancel, addBuildsRetry } from './builds-cancel.ts';
import { priorityOf } from './priority.ts';

type Flags<More = object> = ConnectionFlags & OutputFlags & More;

interface ListFlags extends BuildFilters {
  readonly joinedBy?: string;
  readonly until?: Place;
  readonly limit: number;
  readonly after?: string;
}

export function addBuildsCommands(program: Command, context: CommandContext): void {
  const builds = addGroup(program, {
    usage: 'builds',
    summary: 'List builds, look into them, steer them',
    examples: [
      ['drover builds list --state failed', 'what failed'],
      ['drover builds why BUILD', 'why a build does not run'],
    ],
  });
  addList(builds, context);
  addShow(builds, context);
  addWhy(builds, context);
  addHistory(builds, context);
  addLog(builds, context);
  addBuildsCancel(builds, context);
  addPrioritize(builds, context);
  addDefer(builds, context);
  addBuildsRetry(builds, context);
}

/** Of the build whose id begins so. */
async function pathOf(client: Client, id: string): Promise<string> {
  return `/v1/builds/${encodeURIComponent(await resolveId(client, 'builds', id))}`;
}

function addList(builds: Command, context: CommandContext): void {
  const { io } = context;
  const place = placeOption(io.now);
  const command = addCommand(builds, {
    usage: 'list',
    summary: 'List builds, the newest first',
    more: 'With --since and --until, those whose last event falls into that time: what ended, started or was queued again then.',
    examples: [
      ['drover builds list --state queued --state running', 'what is not done'],
      ['drover builds list --state blocked', 'what nothing under way can set going: a person has to act'],
      ['drover builds list --name hello --tag branch=main', 'by name and tag'],
      ['drover builds list --state failed --since 24h', 'what failed since yesterday'],
      ['drover builds list --submission SUBMISSION --limit 1000 --json', 'for a program'],
    ],
  }).addOption(
    new Option('--state <state>', `${buildStateWords}; can be repeated`).argParser(gatherChoices(buildFilterStates)),
  );
  addBuildFilters(command, io)
    .option('--joined-by <id>', 'builds of other submissions that this one joined, as they were under way')
    .option('--until <place>', 'builds whose last event came at this position or before it, or before this time', place)
    .option('--limit <n>', 'rows per page, 1 to 1000', wholeNumber(1, 1000), 50)
    .option('--after <cursor>', 'go on where the page before ended');
  addConnectionOptions(addWatchOption(addOutputOptions(command)));
  onAction(command, context, async (flags: Flags<ListFlags & ListingFlags>) => {
    const { state, system, name, agent, submission, joinedBy, derivation, tag, since, until, limit, after } = flags;
    const client = connect(flags, io);
    const whole = async (id: string | undefined) =>
      id === undefined ? undefined : await resolveId(client, 'submissions', id);
    const query = {
      state: state?.join(','),
      system,
      name,
      agent,
      submission: await whole(submission),
      joinedBy: await whole(joinedBy),
      derivation: derivation?.replace(/^.*\//, ''),
      tag,
      since: since?.time,
      from: since?.position,
      until: until?.time,
      to: until?.position,
      limit,
      after,
    };
    return printListing<BuildRow>(io, flags, {
      client,
      streams: ['build-'],
      async load() {
        const page = await client.get<Page<BuildRow>>('/v1/builds', query).catch((error: unknown) => {
          throw inFlags(orOlder(error, 'state', '--state'), {
            ...buildFilterFlags,
            to: '--until',
            until: '--until',
            joinedBy: '--joined-by',
          });
        });
        return { value: page, rows: page.rows, text: formatBuilds, name: ({ id }) => id, next: page.next };
      },
    });
  });
}

function addShow(builds: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(builds, {
    usage: 'show <build>',
    summary: 'Show one build with its attempts',
    examples: [['drover builds show BUILD', 'state, options, outputs, attempts']],
  });
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (id: string, flags: Flags) => {
    const client = connect(flags, io);
    const build = await client.get<BuildDetail>(await pathOf(client, id));
    const failed = build.attempts.findLast(({ failure }) => failure !== null);
    const end =
      build.state === 'succeeded'
        ? ''
        : await logEnd(client, flags, build.id, failed?.failure && { ...failed.failure, attempt: failed.attempt });
    await print(io, flags, { value: build, text: (view) => formatBuild(build, view) + end, names: [build.id] });
  });
}

function addWhy(builds: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(builds, {
    usage: 'why <build>',
    summary: 'Say why a build is not running, and which event would end the wait',
    examples: [['drover builds why BUILD', 'the inputs, agents or times it waits for']],
  });
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (id: string, flags: Flags) => {
    const client = connect(flags, io);
    const why = await client.get<Why>(`${await pathOf(client, id)}/why`);
    const failure = why.reason === 'ended' || why.reason === 'back-off' ? why.failure : undefined;
    const end = await logEnd(client, flags, why.build, failure);
    await print(io, flags, { value: why, text: (view) => formatWhy(why, view) + end, names: [why.build] });
  });
}

/** The last lines of the log of an attempt that failed, for people, where its message does not have them. */
async function logEnd(
  client: Client,
  flags: OutputFlags,
  build: string,
  failure: { readonly attempt: number; readonly message: string } | undefined | null,
): Promise<string> {
  if (!failure || forPrograms(flags)) return '';
  const { attempt, message } = failure;
  const lines = await lastLogLines(client, { build, attempt, message });
  return lines.length === 0 ? '' : `\nattempt ${attempt}, ${quoteLog(lines, 0)}\n`;
}

function addHistory(builds: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(builds, {
    usage: 'history <build>',
    summary:
      'Tell the whole story of a build, in order: who asked for it, every wait, every attempt, its outputs, hooks',
    more: [
      'Each line has its time, how long after the line before, and its place in the log. All of it comes from events, so it is there as long as',
      'the log is. What hooks have delivered is known as of their checkpoints, which they write once a second at most.',
      'Where a derivation (…-NAME.drv) is named in the place of a build, it lists all builds of that: those here, and those imported from other coordinators.',
    ].join(' '),
    examples: [
      ['drover builds history BUILD', 'why it took so long'],
      ['drover builds history BUILD --json', 'for a program'],
      ['drover builds history /gnu/store/HASH-hello-2.12.drv', 'how it was built before, here and elsewhere'],
    ],
  })
    .option('--limit <n>', 'events of the build per page, 1 to 1000', wholeNumber(1, 1000), 200)
    .option('--after <n>', 'go on where the page before ended', wholeNumber(0));
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (id: string, flags: Flags<{ limit: number; after?: number }>) => {
    const { limit, after } = flags;
    const client = connect(flags, io);
    if (id.endsWith('.drv')) return printDerivationHistory(io, flags, client, id.replace(/^.*\//, ''));
    const history = await client.get<BuildHistory>(`${await pathOf(client, id)}/history`, { limit, after });
    await print(io, flags, {
      value: history,
      text: (view) => formatHistory(history, view),
      names: [history.build],
      next: history.next,
    });
  });
}

/** All builds of a derivation, here and as other coordinators tell of theirs. */
async function printDerivationHistory(
  io: Io,
  flags: Flags<{ limit: number }>,
  client: Client,
  derivation: string,
): Promise<void> {
  const query = { derivation, limit: flags.limit };
  const here = await client.get<Page<BuildRow>>('/v1/builds', query);
  const elsewhere = await client.get<Page<EarlierBuildRow>>('/v1/earlier-builds', query);
  const value = { derivation, builds: here.rows, earlier: elsewhere.rows };
  const cut = here.next !== undefined || elsewhere.next !== undefined;
  await print(io, flags, {
    value,
    text: (view) =>
      `${formatBuilds(here.rows, view)}${formatEarlier(elsewhere.rows, view)}${cut ? `the newest ${flags.limit}; --limit takes up to 1000\n` : ''}`,
    names: here.rows.map((row) => row.id),
  });
}

function addLog(builds: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(builds, {
    usage: 'log <build>',
    summary: 'Print what the builder of a build printed, in lines as Nix took them',
    more: 'Without --attempt, the last attempt that has a log; which one that is stands on standard error, where there were several. A file or a pipe gets the bytes as they are. On a terminal colours pass, and all else that would steer it is shown instead; --raw sends that too.',
    examples: [
      ['drover builds log BUILD --follow', 'as it is written, until the attempt ends'],
      ['drover builds log BUILD --attempt 1', 'of an earlier attempt'],
      ['drover builds log BUILD --tail 20', 'how it ended'],
    ],
  })
    .option('-f, --follow', 'go on until the attempt has ended')
    .option('--attempt <n>', 'which attempt; the last that has a log if not given', wholeNumber(1))
    .option('--tail <lines>', 'only so many of the last lines, 1 to 1000', wholeNumber(1, 1000))
    .option('--offset <bytes>', 'leave out this many bytes', wholeNumber(0), 0)
    .option('--raw', 'send a terminal everything, also what moves its cursor, sets its title or fills its clipboard');
  addConnectionOptions(command);
  onAction(command, context, async (id: string, flags: Flags<Omit<Partial<LogWish>, 'build'> & { offset: number }>) => {
    const { follow = false, raw = false } = flags;
    const client = connect(flags, io);
    return streamLog(client, { ...flags, build: await resolveId(client, 'builds', id), follow, raw }, io);
  });
}

function addPrioritize(builds: Command, context: CommandContext): void {
  const { io } = context;
  const prioritize = addCommand(builds, {
    usage: 'prioritize <build> <priority>',
    summary: 'Change the priority of a build; what it waits for rises with it',
    more: 'Priorities go from -1000 to 1000; the default is 0.',
    examples: [
      ['drover builds prioritize BUILD 100', 'before everything of lower priority'],
      ['drover builds prioritize BUILD -5', 'after everything else'],
    ],
  });
  addConnectionOptions(addOutputOptions(prioritize));
  onAction(prioritize, context, async (id: string, text: string, flags: Flags) => {
    const priority = priorityOf(text);
    const client = connect(flags, io);
    const build = await resolveId(client, 'builds', id);
    await client.send('POST', `/v1/builds/${encodeURIComponent(build)}/prioritize`, { priority });
    await print(io, flags, {
      value: { build, priority },
      text: () => `${build} has priority ${priority}\n`,
      names: [build],
    });
  });
}

function addDefer(builds: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(builds, {
    usage: 'defer <build...>',
    summary: 'Have queued builds built later, or at once after all',
    more: [
      'No agent is given them before that time; what they need is built meanwhile. Where a submission comes to need one of them sooner,',
      'it is built as soon as that one wants it. One that an agent has already can be cancelled, not deferred.',
    ].join(' '),
    examples: [
      ['drover builds defer BUILD --until 8h', 'in eight hours'],
      ['drover builds defer BUILD --until 2026-11-25T20:00:00Z --reason "the machines are needed"', 'and say why'],
      ['drover builds defer BUILD --until now', 'not any more'],
    ],
  })
    .requiredOption('--until <time>', 'a time, a wait from now like 10m, 2h, 7d, or now', comingOption(io.now))
    .option('--reason <text>', 'for the record');
  addConnectionOptions(addOutputOptions(command));
  type DeferFlags = Flags<{ until: { at: number | undefined }; reason?: string }>;
  onAction(command, context, async (ids: readonly string[], flags: DeferFlags) => {
    const { reason } = flags;
    const until = flags.until.at ?? null;
    const client = connect(flags, io);
    for (const build of await resolveIds(client, 'builds', ids)) {
      await client.send('POST', `/v1/builds/${encodeURIComponent(build)}/defer`, { until, reason });
      const words = until === null ? 'is not deferred' : `may start ${relativeTime(until, io.now())}`;
      const value = { build, until };
      await printOneOf(ids.length, io, flags, { value, text: () => `${build} ${words}\n`, names: [build] });
    }
  });
}
