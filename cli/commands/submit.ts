import { type Command, Option } from 'commander';
import type { FarmStatus } from '../../coordinator/application.ts';
import type { CheckUpstream } from '../../coordinator/upstreams/closure-search.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, connect, connectionOf, connectPlainly } from '../http/connection.ts';
import { storeDirOf } from '../http/store-dir.ts';
import { durationSeconds, gather, longestKeepSeconds, wholeNumber } from '../numbers.ts';
import { CliError } from '../output/cli-error.ts';
import { interruptedCode } from '../output/io.ts';
import { addOutputOptions, forPrograms, print } from '../output/print.ts';
import { plural, printable, printableLines } from '../output/text.ts';
import { comingOption } from '../output/when.ts';
import { openDerivationSource } from '../submit/derivation-source.ts';
import type { NotEvaluated } from '../submit/eval-jobs.ts';
import { trackSubmission } from '../submit/follow.ts';
import { checkGuixFlags, findGuixWanted, type GuixFlags, type GuixWanted, isGuix } from '../submit/guix-wanted.ts';
import { readBuilds } from '../submit/known-builds.ts';
import { checkOutLink, checkOutStore } from '../submit/out-links.ts';
import { createProgress } from '../submit/progress.ts';
import { UnansweredError } from '../submit/send.ts';
import { type SubmitPlan, type Submitted, submit } from '../submit/submit.ts';
import { addWaitOptions, goOn, type WaitFlags, waitForSubmission } from '../submit/wait.ts';
import { findWanted, type WantedFlags } from '../submit/wanted.ts';
import { gatherPairs, joinPairs } from '../two-values.ts';

interface SubmitFlags extends WaitFlags, WantedFlags, GuixFlags {
  readonly derivations?: string;
  readonly storeDir?: string;
  readonly priority: number;
  readonly tag?: readonly string[];
  readonly wait?: true;
  readonly root?: string;
  readonly keep?: number;
  readonly inputs: boolean;
  readonly force?: true;
  readonly checkUpstream?: CheckUpstream;
  readonly maxAttempts?: number;
  readonly timeout?: number;
  readonly maxSilent?: number;
  readonly deferUntil?: { readonly at: number | undefined };
}

export function addSubmitCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'submit [drv...]',
    summary: 'Send derivations, with all that they need, and have them built',
    more: `DRV is a store path (/nix/store/HASH-NAME.drv), a link to one, or its base name; with ^out,dev behind it, only these outputs are printed and linked. - reads standard input: a list of such, or the lines of nix-eval-jobs. Of these each build keeps the tag attr=ATTRIBUTE (a second attribute that is the same derivation is attr.2), which --tag cannot set then; attributes with an error are told by name, and make the exit code 1 once the others were submitted, or with --wait have ended. --expr, -E and --flake evaluate on this machine, with its Nix; --manifest and -e with its Guix. Only what the coordinator lacks is sent; a source that is not on this machine is no error: the builds that need it wait, and "drover builds why" names it. What is built or under way already is not built again. Where TRACEPARENT is set, as by a CI that traces its jobs, the submission goes on with that trace.

With --wait, what nix-build would print comes on standard output: a line for each output path, as soon as it is available; progress, failures with the last lines of their logs, and the summary are on standard error. On a terminal that is a tree of what runs and what waits for it, with how long builds of the same names took before (∅: none did) and when all may end. It ends once all builds have ended, with exit code 0 if all succeeded and 1 if not. It also ends, with 1, when nothing under way can set going what is left: an input has failed or was cancelled, a source was never sent, or for --agent-timeout seconds nothing was waited for but an agent. What that is is said by name; the builds stay queued. Where the submission is cancelled it ends with 1, too, and says by whom. After SIGINT and SIGTERM the exit code is 130 and 143, and what has become of the submission is said.

With --out-link, what was asked for is fetched from the cache into the store of this machine once all of it has succeeded, and linked to as nix-build does: PATH, PATH-2 for the second derivation, PATH-dev for an output that is not "out". The links are roots of the garbage collector. The Nix of this machine has to trust the coordinator's key (trusted-public-keys in nix.conf), and so does its Guix where the derivations are of Guix (guix archive --authorize); its daemon fetches without a token, so the cache has to be public.

With --json it is one object that has what was submitted, and with --wait then "requested": how each derivation that was asked for has ended ("state": "available", "succeeded", "failed" or "canceled"), with its store paths in "outputs" or the "failure", each on a line of its own as soon as it is known. At the end come the counts "ended" and "succeeded", every build in "watched", and in "blocked", "blockers" and "agentless" what could not run; "canceled" has by whom and why the submission was cancelled.`,
    examples: [
      ['drover submit /nix/store/HASH-hello-2.12.drv --wait', 'build it and wait; exit code 0 only if all went well'],
      ['drover submit --expr default.nix -A hello --tag branch=main', 'what an expression evaluates to'],
      ["drover submit -E 'import ./.' --argstr system aarch64-linux --wait", 'the same from a text, with an argument'],
      ['drover submit --flake .#hello --out-link result', 'an attribute of a flake, with a link to what was built'],
      ['nix-eval-jobs --flake .#hydraJobs | drover submit --wait -', 'all attributes that evaluate'],
      ["drover submit DRV --wait --json | jq -r '.requested[].outputs[]?'", 'the output paths, for a program'],
      ['ls drvs | drover submit --derivations drvs -', 'every .drv file of a folder'],
      ['drover submit DRV --root nightly --keep 14d', 'keep what it makes from being collected, for two weeks'],
      ['drover submit --store-root /srv/chroot /nix/store/HASH-x.drv', 'from a chroot store'],
      ['drover submit --guix /gnu/store/HASH-hello-2.12.drv --wait', 'a derivation of Guix'],
      ['guix archive --export -r DRV | drover submit --guix -', 'from a machine that has no drover'],
      ['drover submit --manifest manifest.scm -L modules', 'what guix build would build'],
      ["drover submit -e '(@ (gnu packages base) hello)' --system aarch64-linux", 'the same from a text'],
      [
        'drover submit --data-service https://data.guix.gnu.org --revision COMMIT --system x86_64-linux',
        'all packages of a revision',
      ],
    ],
  }).option(
    '--wait',
    'show progress until all builds have ended, or none that is left can run; exit code 1 if one did not succeed',
  );
  addWaitOptions(command, 'with --wait: ')
    .option('--out-link <path>', 'wait, fetch what was built, and link to it as nix-build does')
    .option('--priority <n>', 'from -1000 to 1000; higher goes first', wholeNumber(-1000, 1000), 0)
    .option('--tag <key=value>', 'kept with every build; can be repeated', gather)
    .option('--root <name>', 'keep what is built from being collected, under this name')
    .option(
      '--keep <time>',
      'with --root: for so long, like 30d; for good if not given',
      durationSeconds(longestKeepSeconds),
    )
    .option('--no-inputs', 'do not build inputs, only what is named')
    .option(
      '--force',
      'make a new build also of what is built or under way; an agent whose store has the outputs gives these, without running the builder',
    )
    .addOption(
      new Option(
        '--check-upstream <what>',
        'for what upstreams are asked before anything is built: all; inputs: not for what is submitted, which is built; never',
      ).choices(['never', 'inputs', 'all']),
    )
    .option('--max-attempts <n>', "attempts per build; the coordinator's default if not given", wholeNumber(1, 100))
    .option('--timeout <seconds>', 'longest time of one attempt', wholeNumber(1))
    .option('--max-silent <seconds>', 'longest time without output', wholeNumber(1))
    .option(
      '--defer-until <time>',
      'build nothing of it before then (2026-11-25T20:00:00Z, or 8h: in eight hours), but what others want sooner',
      comingOption(io.now),
    )
    .optionsGroup('Where derivations are:')
    .option('--derivations <dir>', 'a folder of .drv files, in place of the store')
    .option('--store-root <dir>', 'a chroot store: /nix/store is at DIR/nix/store')
    .option('--store-dir <dir>', "the store directory in the derivations; the coordinator's if not given")
    .optionsGroup('What is evaluated:')
    .option('--expr <file>', 'evaluate this file with nix-instantiate')
    .option('-E, --expression <text>', 'evaluate this text with nix-instantiate')
    .option('-A, --attr <path>', 'attribute of the expression; can be repeated', gather)
    .option('--arg <name> <expr>', 'pass the value of an expression to it; can be repeated', gatherPairs('--arg'))
    .option('--argstr <name> <text>', 'pass a text to it; can be repeated', gatherPairs('--argstr'))
    .option('--flake <ref>', 'evaluate REF#ATTRIBUTE, as nix build takes it; can be repeated', gather)
    .option('--impure', 'let the flake read what is not locked')
    .option('-I, --include <path>', 'add to the search path of the evaluator; can be repeated', gather)
    .option('--option <name> <value>', 'a setting of Nix for the evaluator; can be repeated', gatherPairs('--option'));
  command
    .optionsGroup('Of Guix:')
    .option(
      '--guix',
      'derivations of /gnu/store; - reads a list of them, or what "guix archive --export -r" writes, of which all is built that nothing else in it needs',
    )
    .option('--manifest <file>', 'what "guix build" makes of this manifest; can be repeated', gather)
    .option('-e, --guix-expression <text>', 'what "guix build" makes of this expression; can be repeated', gather)
    .option('-L, --load-path <dir>', 'add to the load path of Guix; can be repeated', gather)
    .option(
      '--data-service <url>',
      'all packages of a --revision that a Guix Data Service lists; what is not on this machine is fetched from there',
    )
    .option('--revision <commit>', 'with --data-service: commit of Guix')
    .option('--system <system>', 'with --manifest, -e and --data-service: for this system; can be repeated', gather);
  joinPairs(command, ['--arg', '--argstr', '--option']);
  addConnectionOptions(addOutputOptions(command));

  onAction(command, context, async (drvs: readonly string[], flags: SubmitFlags) => {
    if (flags.keep !== undefined && flags.root === undefined)
      throw new CliError('wrong-use', 'expected --keep with --root only', { exitCode: 2 });
    checkGuixFlags(flags);
    // What is wrong with them is said before minutes of evaluation.
    const tagging = flags.tag && (await import('../submit/tags.ts'));
    const tags = flags.tag && tagging?.readTags(flags.tag);
    if (flags.root !== undefined) (await import('../submit/root-name.ts')).checkRootName(flags.root);
    const signal = io.interrupted();
    const progress = createProgress(io);
    const client = connect(flags, io, { signal, onWait: progress.line, repeatable: true });
    const steady = connectPlainly(flags, io);
    let submitted: Submitted | undefined;
    let found: GuixWanted | undefined;
    try {
      const storeDir = flags.storeDir ?? (isGuix(flags) ? guixStoreDir : await storeDirOf(client));
      if (flags.outLink !== undefined) {
        checkOutLink(flags.outLink);
        const coordinator = connectionOf(flags, io.environment);
        await checkOutStore({ storeDir, storeRoot: flags.storeRoot, coordinator, client, signal });
      }
      const local = openDerivationSource({
        storeDir,
        storeRoot: flags.storeRoot,
        folder: flags.derivations,
      });
      found = isGuix(flags)
        ? await findGuixWanted(drvs, flags, { local, client, io, progress, signal })
        : { ...(await findWanted(drvs, flags, local, io, signal)), source: local };
      const { requested, rootTags, notEvaluated, source } = found;
      for (const one of notEvaluated) progress.line(describeNotEvaluated(one));
      if (requested.length === 0) {
        io.err('nothing was submitted: no attribute has a derivation\n');
        return 1;
      }
      if (tags !== undefined) tagging?.requireOtherKeys(tags, rootTags.values());
      const plan: SubmitPlan = {
        roots: requested.map(({ derivation }) => derivation),
        ...(rootTags.size > 0 && { rootTags: Object.fromEntries(rootTags) }),
        options: {
          priority: flags.priority,
          ...(flags.maxAttempts === undefined ? {} : { maxAttempts: flags.maxAttempts }),
          ...(flags.timeout === undefined ? {} : { timeoutSeconds: flags.timeout }),
          ...(flags.maxSilent === undefined ? {} : { maxSilentSeconds: flags.maxSilent }),
          ...(flags.deferUntil?.at === undefined ? {} : { deferUntil: flags.deferUntil.at }),
          ...(tags === undefined ? {} : { tags }),
        },
        inputs: flags.inputs,
        force: flags.force === true,
        ...(flags.checkUpstream !== undefined && { checkUpstream: flags.checkUpstream }),
        ...(flags.root !== undefined && {
          root: { name: flags.root, ...(flags.keep !== undefined && { keepSeconds: flags.keep }) },
        }),
      };
      // Where the log is now: all that the submission makes comes after it.
      const wait = flags.wait === true || flags.keepWaiting === true || flags.outLink !== undefined;
      const after = wait ? (await client.get<FarmStatus>('/v1/status')).position : undefined;
      submitted = await submit(client, steady, plan, source, progress, signal, io.environment.TRACEPARENT);
      const result = { ...submitted, ...(notEvaluated.length > 0 && { notEvaluated }) };
      if (!forPrograms(flags)) for (const line of describe(result)) progress.line(line);
      if (!wait) {
        await print(io, flags, { value: result, text: () => '', names: [result.submission] });
        io.err(lastWord(notEvaluated));
        return notEvaluated.length === 0 ? 0 : 1;
      }
      const { submission, builds, joined } = result;
      const track = async () => trackSubmission(submission, builds, await readBuilds(client, joined));
      const waited = { submitted: result, requested, track, after };
      const code = await waitForSubmission(waited, flags, { client, source, signal, progress, io });
      if (code > 1) return code;
      io.err(lastWord(notEvaluated));
      return notEvaluated.length === 0 ? code : 1;
    } catch (error) {
      if (!signal.aborted) throw error;
      progress[Symbol.dispose]();
      const known = submitted?.submission ?? (error instanceof UnansweredError ? error.submission : undefined);
      if (known !== undefined) io.err(`${goOn(known)}\n`);
      else io.err(error instanceof UnansweredError ? notKnown : notYet);
      return interruptedCode(signal);
    } finally {
      progress[Symbol.dispose]();
      await found?.opened?.[Symbol.asyncDispose]();
    }
  });
}

function describe({
  submission,
  builds,
  available,
  upstream = 0,
  foundUpstream = 0,
  joined,
  absentSources,
}: Submitted): readonly string[] {
  const parts = [plural(builds, 'build')];
  if (available > 0)
    parts.push(
      `${plural(available, 'derivation')} available already${upstream > 0 ? ` (${upstream} of them upstream)` : ''}`,
    );
  if (foundUpstream > 0) parts.push(`${plural(foundUpstream, 'item')} found upstream`);
  if (joined.length > 0) parts.push(`${plural(joined.length, 'build')} under way joined`);
  const lines = [`submission ${submission}: ${parts.join(', ')}`];
  if (absentSources.length > 0) {
    const [first] = absentSources;
    const more = absentSources.length === 1 ? '' : ` and ${absentSources.length - 1} more`;
    lines.push(`not on this machine, builds that need them wait: source ${first}${more}`);
  }
  return lines;
}

function describeNotEvaluated({ attr, error }: NotEvaluated): string {
  return `not evaluated  ${attributeName(attr)}: ${printableLines(error.trim(), 4)}`;
}

function attributeName(attr: string): string {
  return attr === '' ? 'the whole expression' : printable(attr);
}

/** What comes last where attributes had no derivation; as they may have been told long ago. */
function lastWord(notEvaluated: readonly NotEvaluated[]): string {
  if (notEvaluated.length === 0) return '';
  const names = notEvaluated.slice(0, 20).map(({ attr }) => attributeName(attr));
  const more = notEvaluated.length > 20 ? `, and ${notEvaluated.length - 20} more` : '';
  return `${plural(notEvaluated.length, 'attribute')} ${notEvaluated.length === 1 ? 'was' : 'were'} not evaluated: ${names.join(', ')}${more}\n`;
}

const notYet = 'Interrupted; nothing was submitted. What was sent is kept: the same command goes on from there.\n';

const notKnown = `Interrupted before the coordinator has answered; whether it has the submission is not known.
  drover submissions list                                         says so, once it answers
  drover submit …                                                 the same again joins what is under way
`;
