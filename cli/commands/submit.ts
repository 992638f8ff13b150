import { Readable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { FarmStatus } from '../../coordinator/application.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect, connectPlainly } from '../http/connection.ts';
import { storeDirOf } from '../http/store-dir.ts';
import { gather, wholeNumber } from '../numbers.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import { addOutputOptions, forPrograms, type OutputFlags, print } from '../output/print.ts';
import { plural } from '../output/text.ts';
import { type DerivationSource, openDerivationSource } from '../submit/derivation-source.ts';
import { instantiate } from '../submit/instantiate.ts';
import { createProgress } from '../submit/progress.ts';
import { UnansweredError } from '../submit/send.ts';
import { type SubmitPlan, type Submitted, submit } from '../submit/submit.ts';
import { readTags } from '../submit/tags.ts';
import { summary, watchSubmission } from '../submit/watch.ts';

interface SubmitFlags extends ConnectionFlags, OutputFlags {
  readonly derivations?: string;
  readonly storeRoot?: string;
  readonly storeDir?: string;
  readonly expr?: string;
  readonly attr?: readonly string[];
  readonly priority: number;
  readonly tag?: readonly string[];
  readonly wait?: true;
  readonly inputs: boolean;
  readonly force?: true;
  readonly maxAttempts?: number;
  readonly timeout?: number;
  readonly maxSilent?: number;
}

export function addSubmitCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'submit [drv...]',
    summary: 'Send derivations, with all that they need, and have them built',
    more: `DRV is a store path (/nix/store/HASH-NAME.drv), a link to one, or its base name; - reads a list from standard input. Only what the coordinator lacks is sent; a source that is not on this machine is no error: the builds that need it wait, and "drover builds why" names it. What is built or under way already is not built again. Where TRACEPARENT is set, as by a CI that traces its jobs, the submission goes on with that trace.`,
    examples: [
      ['drover submit /nix/store/HASH-hello-2.12.drv --wait', 'build it and wait; exit code 0 only if all went well'],
      ['drover submit --expr default.nix -A hello --tag branch=main', 'what an expression evaluates to'],
      ['ls drvs | drover submit --derivations drvs -', 'every .drv file of a folder'],
      ['drover submit --store-root /srv/chroot /nix/store/HASH-x.drv', 'from a chroot store'],
    ],
  })
    .option(
      '--wait',
      'show progress until all builds have ended, or none that is left can run; exit code 1 if one did not succeed',
    )
    .option('--priority <n>', 'from -1000 to 1000; higher goes first', wholeNumber(-1000, 1000), 0)
    .option('--tag <key=value>', 'kept with every build; can be repeated', gather)
    .option('--no-inputs', 'do not build inputs, only what is named')
    .option('--force', 'build again what is built or under way')
    .option('--max-attempts <n>', "attempts per build; the coordinator's default if not given", wholeNumber(1, 100))
    .option('--timeout <seconds>', 'longest time of one attempt', wholeNumber(1))
    .option('--max-silent <seconds>', 'longest time without output', wholeNumber(1))
    .optionsGroup('Where derivations are:')
    .option('--derivations <dir>', 'a folder of .drv files, in place of the store')
    .option('--store-root <dir>', 'a chroot store: /nix/store is at DIR/nix/store')
    .option('--store-dir <dir>', "the store directory in the derivations; the coordinator's if not given")
    .option('--expr <file>', 'evaluate this file with nix-instantiate')
    .option('-A, --attr <path>', 'attribute of the expression; can be repeated', gather);
  addConnectionOptions(addOutputOptions(command));

  onAction(command, context, async (drvs: readonly string[], flags: SubmitFlags) => {
    const signal = io.interrupted();
    const progress = createProgress(io);
    const client = connect(flags, io, { signal, onWait: progress.line, repeatable: true });
    const steady = connectPlainly(flags, io);
    let submitted: Submitted | undefined;
    try {
      const source = openDerivationSource({
        storeDir: flags.storeDir ?? (await storeDirOf(client)),
        storeRoot: flags.storeRoot,
        folder: flags.derivations,
      });
      const plan: SubmitPlan = {
        roots: await findRoots(drvs, flags, source, io),
        options: {
          priority: flags.priority,
          ...(flags.maxAttempts === undefined ? {} : { maxAttempts: flags.maxAttempts }),
          ...(flags.timeout === undefined ? {} : { timeoutSeconds: flags.timeout }),
          ...(flags.maxSilent === undefined ? {} : { maxSilentSeconds: flags.maxSilent }),
          ...(flags.tag === undefined ? {} : { tags: readTags(flags.tag) }),
        },
        inputs: flags.inputs,
        force: flags.force === true,
      };
      // Where the log is now: all that the submission makes comes after it.
      const after = flags.wait ? (await client.get<FarmStatus>('/v1/status')).position : undefined;
      submitted = await submit(client, steady, plan, source, progress, signal, io.environment.TRACEPARENT);
      const result = submitted;
      if (!forPrograms(flags)) for (const line of describe(result)) progress.line(line);
      if (!flags.wait) {
        await print(io, flags, { value: result, text: () => '', names: [result.submission] });
        return 0;
      }
      const watched = await watchSubmission(client, result, { after, signal }, progress, io);
      const { tracker, blockage } = watched;
      progress[Symbol.dispose]();
      const ended = tracker.done || blockage !== undefined;
      await print(io, flags, {
        value: {
          ...result,
          ended: tracker.ended,
          succeeded: tracker.succeeded,
          watched: [...tracker.builds.values()],
          ...(blockage && { blocked: blockage.blocked, blockers: blockage.blockers }),
        },
        text: () => (ended ? summary(watched) : ''),
        names: [result.submission],
      });
      if (!ended) {
        io.err(`${goOn(result.submission)}\n`);
        return 130;
      }
      return tracker.succeeded === tracker.total ? 0 : 1;
    } catch (error) {
      if (!signal.aborted) throw error;
      progress[Symbol.dispose]();
      const known = submitted?.submission ?? (error instanceof UnansweredError ? error.submission : undefined);
      if (known !== undefined) io.err(`${goOn(known)}\n`);
      else io.err(error instanceof UnansweredError ? notKnown : notYet);
      return 130;
    } finally {
      progress[Symbol.dispose]();
    }
  });
}

async function findRoots(
  drvs: readonly string[],
  flags: SubmitFlags,
  source: DerivationSource,
  io: Io,
): Promise<readonly string[]> {
  const named: string[] = [];
  for (const drv of drvs) {
    if (drv === '-') {
      const lines = (await readAll(Readable.from(io.stdin))).split(/\s+/);
      named.push(...lines.filter((line) => line !== ''));
    } else named.push(drv);
  }
  if (flags.expr !== undefined) {
    const { expr: file, attr: attributes = [], storeRoot } = flags;
    named.push(...(await instantiate({ file, attributes, storeRoot, onMessage: io.err })));
  } else if (flags.attr !== undefined) {
    throw new CliError('wrong-use', 'expected --expr FILE with -A', { exitCode: 2 });
  }
  if (named.length === 0) {
    throw new CliError('wrong-use', 'expected a derivation to build, got none', {
      hint: 'drover submit --help',
      exitCode: 2,
    });
  }
  return [...new Set(named.map((argument) => source.resolve(argument)))];
}

function describe({ submission, builds, available, joined, absentSources }: Submitted): readonly string[] {
  const parts = [plural(builds, 'build')];
  if (available > 0) parts.push(`${plural(available, 'root')} available already`);
  if (joined.length > 0) parts.push(`${plural(joined.length, 'build')} under way joined`);
  const lines = [`submission ${submission}: ${parts.join(', ')}`];
  if (absentSources.length > 0) {
    const [first] = absentSources;
    const more = absentSources.length === 1 ? '' : ` and ${absentSources.length - 1} more`;
    lines.push(`not on this machine, builds that need them wait: source ${first}${more}`);
  }
  return lines;
}

const notYet = 'Interrupted; nothing was submitted. What was sent is kept: the same command goes on from there.\n';

const notKnown = `Interrupted before the coordinator has answered; whether it has the submission is not known.
  drover submissions list                                         says so, once it answers
  drover submit …                                                 the same again joins what is under way
`;

function goOn(submission: string): string {
  const next = [
    [`drover submissions show ${submission}`, 'how far it is'],
    [`drover builds list --submission ${submission}`, 'how they are'],
    ['drover submit … --wait', 'the same again joins them'],
    ['drover builds cancel BUILD…', 'stop them'],
  ] as const;
  const width = Math.max(...next.map(([command]) => command.length));
  const lines = next.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`);
  return `No longer watching; the coordinator has the submission ${submission} and goes on with it.\n${lines.join('\n')}`;
}
