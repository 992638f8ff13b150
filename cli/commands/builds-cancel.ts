import { type Command, Option } from 'commander';
import type { CancelResult, RetryResult, SubmitResult } from '../../coordinator/application.ts';
import { unfinishedFilterStates } from '../../coordinator/ports/views.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { resolveIds } from '../http/resolve-id.ts';
import { gatherChoices } from '../numbers.ts';
import { formatCancel, formatRetry, formatRetryOfOne, namesOf } from '../output/cancel.ts';
import { CliError } from '../output/cli-error.ts';
import { confirm } from '../output/confirm.ts';
import type { Io } from '../output/io.ts';
import { olderHint, orOlder } from '../output/older.ts';
import { inFlags } from '../output/place.ts';
import { addOutputOptions, type OutputFlags, print, printOneOf } from '../output/print.ts';
import { plural } from '../output/text.ts';
import { addBuildFilters, type BuildFilters, buildFilterFlags } from './build-filters.ts';
import { tellBlockage } from './tell-blockage.ts';

interface Filters extends BuildFilters {
  readonly failed?: true;
}
interface Flags extends ConnectionFlags, OutputFlags, Filters {
  readonly reason?: string;
  readonly force?: true;
  readonly withInputs?: true;
  readonly withDependents?: true;
  readonly dryRun?: true;
  readonly yes?: true;
}

/** Which builds, where they are not named: all that meet every condition. */
function addFilters(command: Command, states: readonly string[], io: Io): Command {
  command
    .optionsGroup('Which builds, in place of naming them; all conditions hold:')
    .addOption(new Option('--state <state>', `${states.join(', ')}; can be repeated`).argParser(gatherChoices(states)));
  return addBuildFilters(command, io).optionsGroup('Options:');
}

/** The conditions in the words of the API; `undefined` where there are none. */
function conditionsOf({ state, failed, system, name, agent, submission, derivation, tag, since }: Filters) {
  const conditions = {
    state: failed ? ['failed'] : state,
    system,
    name,
    agent,
    submission,
    derivation: derivation?.replace(/^.*\//, ''),
    tag,
    since: since?.time,
    from: since?.position,
  };
  return Object.values(conditions).some((value) => value !== undefined) ? conditions : undefined;
}

/** Either builds by their ids or conditions, not both. */
function requireOne(ids: readonly string[], conditions: object | undefined): void {
  if (ids.length > 0 === (conditions === undefined)) return;
  const got = conditions === undefined ? 'neither' : 'both';
  throw new CliError('wrong-use', `expected builds, or conditions that they meet, got ${got}`, { exitCode: 2 });
}

async function ask<Result>(client: Client, path: string, body: object): Promise<Result> {
  return client.send<Result>('POST', path, body).catch((error: unknown) => {
    throw inFlags(orOlder(error, 'state', '--state'), buildFilterFlags);
  });
}

async function previewRetry(client: Client, id: string): Promise<RetryResult> {
  const path = `/v1/builds/${encodeURIComponent(id)}/retry/preview`;
  return client.send<RetryResult>('POST', path).catch((error: unknown) => {
    if (!(error instanceof CliError) || error.code !== 'not-found') throw error;
    throw new CliError(error.code, `--dry-run: ${error.message}`, { hint: olderHint, cause: error });
  });
}

export function addBuildsCancel(builds: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(builds, {
    usage: 'cancel [build...]',
    summary: 'Cancel builds, and what nobody wants without them; those that run are stopped',
    more: [
      'A build is cancelled for the submission that it belongs to: where another submission wants it, it goes on, unless --force says otherwise.',
      'Inputs that nobody wants without it end with it (--with-inputs says what is so anyway); what waits for it stays queued and is blocked,',
      'unless --with-dependents has it end, too. Builds that are named are cancelled at once; with conditions, it first says what would',
      'happen and asks, and where nobody can be asked, --yes has to say so.',
    ].join(' '),
    examples: [
      ['drover builds cancel BUILD --reason "wrong branch"', 'one, and say why'],
      ['drover builds cancel BUILD --dry-run', 'what else would end'],
      ['drover builds cancel BUILD --with-dependents', 'and what waits for it'],
      ['drover builds cancel --tag branch=old --state queued', 'all that wait of a branch'],
      ['drover builds cancel --state blocked --dry-run', 'what nothing under way can set going'],
      ['drover builds cancel --agent worker-1 --yes', 'what runs on an agent, without a question'],
    ],
  })
    .option('--reason <text>', 'for the record')
    .option('--with-inputs', 'also inputs that nobody else needs, as is done anyway')
    .option('--with-dependents', 'also all that waits for it')
    .option('--force', 'also what other submissions want')
    .option('--dry-run', 'only say what would happen')
    .option('-y, --yes', 'do not ask');
  addFilters(command, unfinishedFilterStates, io);
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (ids: readonly string[], flags: Flags) => {
    const client = connect(flags, io);
    const conditions = conditionsOf(flags);
    requireOne(ids, conditions);
    const { reason, force, withDependents, dryRun = false } = flags;
    const wish = { reason, force, dependents: withDependents };
    if (conditions === undefined) {
      for (const id of await resolveIds(client, 'builds', ids)) {
        const path = `/v1/builds/${encodeURIComponent(id)}/cancel`;
        const result = await client.send<CancelResult>('POST', path, { ...wish, ...(dryRun && { preview: true }) });
        await printOneOf(ids.length, io, flags, {
          value: result,
          text: () => formatCancel(result, !dryRun),
          names: namesOf(result),
        });
      }
      return;
    }
    const cancel = (preview: boolean) =>
      ask<CancelResult>(client, '/v1/builds/cancel', { ...conditions, ...wish, preview });
    const preview = await cancel(true);
    const count = preview.canceled + preview.kept;
    const sure = dryRun || count === 0 || flags.yes === true;
    if (!sure) {
      io.err(formatCancel(preview, false));
      await confirm(io, `Cancel ${plural(preview.canceled + preview.unwanted, 'build')}?`);
    }
    const done = !dryRun && count > 0;
    const result = done ? await cancel(false) : preview;
    await print(io, flags, {
      value: result,
      text: () => (count === 0 ? 'No build that has not ended meets that.\n' : formatCancel(result, done)),
      names: namesOf(result),
    });
  });
}

export function addBuildsRetry(builds: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(builds, {
    usage: 'retry [build...]',
    summary: 'Build the derivations of builds again that failed or were cancelled',
    more: [
      'Each is a new build with the same options. With conditions, it first says what would happen and asks, and where nobody can be asked,',
      '--yes has to say so; what is under way again already, or whose outputs are there, is passed over. What keeps it from being built, as sources are gone,',
      'is said on standard error.',
    ].join(' '),
    examples: [
      ['drover builds retry BUILD', 'one'],
      ['drover builds retry BUILD --dry-run', 'whether there is anything to do'],
      ['drover builds retry --failed --agent worker-1 --since 2h', 'what failed on a sick agent'],
      ['drover builds retry --failed --tag branch=main --yes', 'without a question'],
    ],
  })
    .option('--dry-run', 'only say what would happen')
    .option('-y, --yes', 'do not ask');
  addFilters(command, ['failed', 'canceled'], io);
  command.option('--failed', 'the same as --state failed');
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (ids: readonly string[], flags: Flags) => {
    const client = connect(flags, io);
    const conditions = conditionsOf(flags);
    requireOne(ids, conditions);
    if (conditions === undefined) {
      for (const id of await resolveIds(client, 'builds', ids)) {
        if (flags.dryRun === true) {
          const result = await previewRetry(client, id);
          await printOneOf(ids.length, io, flags, { value: result, text: () => formatRetry(result, false), names: [] });
          continue;
        }
        const result = await client.send<SubmitResult>('POST', `/v1/builds/${encodeURIComponent(id)}/retry`);
        await printOneOf(ids.length, io, flags, {
          value: result,
          text: () => formatRetryOfOne(result),
          names: [result.submission],
        });
        await tellBlockage(client, [result], io);
      }
      return;
    }
    const retry = (preview: boolean) => ask<RetryResult>(client, '/v1/builds/retry', { ...conditions, preview });
    const preview = await retry(true);
    if (flags.dryRun !== true && preview.retried > 0 && flags.yes !== true) {
      io.err(formatRetry(preview, false));
      await confirm(io, `Build ${plural(preview.retried, 'derivation')} again?`);
    }
    const done = flags.dryRun !== true && preview.retried > 0;
    const result = done ? await retry(false) : preview;
    const nothing = preview.retried + preview.underWay + preview.available === 0;
    await print(io, flags, {
      value: result,
      text: () => (nothing ? 'No build that failed or was cancelled meets that.\n' : formatRetry(result, done)),
      names: result.submissions.map(({ submission }) => submission),
    });
    if (done) await tellBlockage(client, result.submissions, io);
  });
}
