import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { FarmStatus } from '../../coordinator/application.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect, connectPlainly } from '../http/connection.ts';
import { storeDirOf } from '../http/store-dir.ts';
import { gather, wholeNumber } from '../numbers.ts';
import { CliError } from '../output/cli-error.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { addOutputOptions, forPrograms, type OutputFlags, print } from '../output/print.ts';
import { plural } from '../output/text.ts';
import { type DerivationSource, openDerivationSource } from '../submit/derivation-source.ts';
import { createDocument } from '../submit/document.ts';
import { instantiate } from '../submit/instantiate.ts';
import { createProgress } from '../submit/progress.ts';
import { outputsOf, type Requested, readRequests } from '../submit/requested.ts';
import { createResults, type Result } from '../submit/results.ts';
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
  readonly keepWaiting?: true;
  readonly agentTimeout: number;
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
    more: `DRV is a store path (/nix/store/HASH-NAME.drv), a link to one, or its base name; - reads a list from standard input. With ^out,dev behind it, only these outputs are printed. Only what the coordinator lacks is sent; a source that is not on this machine is no error: the builds that need it wait, and "drover builds why" names it. What is built or under way already is not built again. Where TRACEPARENT is set, as by a CI that traces its jobs, the submission goes on with that trace.

With --wait, what nix-build would print comes on standard output: a line for each output path, as soon as it is available; progress, failures with the last lines of their logs, and the summary are on standard error. It ends once all builds have ended, with exit code 0 if all succeeded and 1 if not. It also ends, with 1, when nothing under way can set going what is left: an input has failed or was cancelled, a source was never sent, or for --agent-timeout seconds nothing was waited for but an agent. What that is is said by name; the builds stay queued. After SIGINT and SIGTERM the exit code is 130 and 143, and what has become of the submission is said.

With --json it is one object that has what was submitted, and with --wait then "requested": how each derivation that was asked for has ended ("state": "available", "succeeded", "failed" or "canceled"), with its store paths in "outputs" or the "failure", each on a line of its own as soon as it is known. At the end come the counts "ended" and "succeeded", every build in "watched", and in "blocked", "blockers" and "agentless" what could not run.`,
    examples: [
      ['drover submit /nix/store/HASH-hello-2.12.drv --wait', 'build it and wait; exit code 0 only if all went well'],
      ['drover submit --expr default.nix -A hello --tag branch=main', 'what an expression evaluates to'],
      ["drover submit DRV --wait --json | jq -r '.requested[].outputs[]?'", 'the output paths, for a program'],
      ['ls drvs | drover submit --derivations drvs -', 'every .drv file of a folder'],
      ['drover submit --store-root /srv/chroot /nix/store/HASH-x.drv', 'from a chroot store'],
    ],
  })
    .option(
      '--wait',
      'show progress until all builds have ended, or none that is left can run; exit code 1 if one did not succeed',
    )
    .option('--keep-waiting', 'with --wait: go on also where nothing under way can set going what is left')
    .option(
      '--agent-timeout <seconds>',
      'with --wait: give up what has waited for an agent, and for nothing else, for so long',
      wholeNumber(1),
      900,
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
    // On one and the same terminal it has to keep clear of the bar.
    const printLine = (line: string) => (io.terminal && io.interactive ? progress.line(line) : io.out(`${line}\n`));
    const document = createDocument('requested', printLine);
    let submitted: Submitted | undefined;
    try {
      const source = openDerivationSource({
        storeDir: flags.storeDir ?? (await storeDirOf(client)),
        storeRoot: flags.storeRoot,
        folder: flags.derivations,
      });
      const requested = await findRequests(drvs, flags, source, io, signal);
      const plan: SubmitPlan = {
        roots: requested.map(({ derivation }) => derivation),
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
      const wait = flags.wait === true || flags.keepWaiting === true;
      const after = wait ? (await client.get<FarmStatus>('/v1/status')).position : undefined;
      submitted = await submit(client, steady, plan, source, progress, signal, io.environment.TRACEPARENT);
      const result = submitted;
      if (!forPrograms(flags)) for (const line of describe(result)) progress.line(line);
      if (!wait) {
        await print(io, flags, { value: result, text: () => '', names: [result.submission] });
        return 0;
      }
      if (flags.output === 'json') document.begin(result);
      const known: Result[] = [];
      const results = createResults({
        requested,
        available: result.available,
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
      };
      const watched = await watchSubmission(client, result, watchOptions, progress, io);
      const { tracker, blockage, agentless } = watched;
      progress[Symbol.dispose]();
      const end = {
        ended: tracker.ended,
        succeeded: tracker.succeeded,
        watched: [...tracker.builds.values()],
        ...(blockage && { blocked: blockage.blocked, blockers: blockage.blockers, agentless }),
      };
      if (flags.output === 'json') document.end(end);
      else if (forPrograms(flags))
        await print(io, flags, {
          value: { ...result, requested: known, ...end },
          text: () => '',
          names: [result.submission],
        });
      if (!tracker.done && blockage === undefined) {
        io.err(`${goOn(result.submission)}\n`);
        return interruptedCode(signal);
      }
      io.err(summary(watched));
      return tracker.succeeded === tracker.total ? 0 : 1;
    } catch (error) {
      if (!signal.aborted) throw error;
      progress[Symbol.dispose]();
      const known = submitted?.submission ?? (error instanceof UnansweredError ? error.submission : undefined);
      if (known !== undefined) io.err(`${goOn(known)}\n`);
      else io.err(error instanceof UnansweredError ? notKnown : notYet);
      return interruptedCode(signal);
    } finally {
      progress[Symbol.dispose]();
      document.end({});
    }
  });
}

async function findRequests(
  drvs: readonly string[],
  flags: SubmitFlags,
  source: DerivationSource,
  io: Io,
  signal: AbortSignal,
): Promise<readonly Requested[]> {
  const named: string[] = [];
  for (const drv of drvs) {
    if (drv === '-') {
      const lines = (await readAll(io.stdin, signal)).split(/\s+/);
      named.push(...lines.filter((line) => line !== ''));
    } else named.push(drv);
  }
  if (flags.expr !== undefined) {
    const { expr: file, attr: attributes = [], storeRoot } = flags;
    named.push(...(await instantiate({ file, attributes, storeRoot, signal, onMessage: io.err })));
  } else if (flags.attr !== undefined) {
    throw new CliError('wrong-use', 'expected --expr FILE with -A', { exitCode: 2 });
  }
  if (named.length === 0) {
    throw new CliError('wrong-use', 'expected a derivation to build, got none', {
      hint: 'drover submit --help',
      exitCode: 2,
    });
  }
  return readRequests(named, source);
}

/** All of standard input as text. Rejects when `signal` aborts, though nothing may come any more. */
async function readAll(stdin: Io['stdin'], signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  const chunks = stdin[Symbol.asyncIterator]();
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  let text = '';
  try {
    signal.throwIfAborted();
    for (;;) {
      const { done, value } = await Promise.race([chunks.next(), interrupted]);
      if (done) return text + decoder.decode();
      text += typeof value === 'string' ? value : decoder.decode(value, { stream: true });
    }
  } finally {
    signal.removeEventListener('abort', stop);
    interrupted.catch(() => {});
    // Or a terminal that is still read from would keep the process.
    if (signal.aborted) (stdin as Partial<Readable>).destroy?.();
  }
}

function describe({ submission, builds, available, joined, absentSources }: Submitted): readonly string[] {
  const parts = [plural(builds, 'build')];
  if (available > 0) parts.push(`${plural(available, 'derivation')} available already`);
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
    [`drover submissions cancel ${submission}`, 'stop them'],
  ] as const;
  const width = Math.max(...next.map(([command]) => command.length));
  const lines = next.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`);
  return `No longer watching; the coordinator has the submission ${submission} and goes on with it.\n${lines.join('\n')}`;
}
