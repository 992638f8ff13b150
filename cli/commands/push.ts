import type { Command } from 'commander';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { storeDirOf } from '../http/store-dir.ts';
import { CliError } from '../output/cli-error.ts';
import { interruptedCode } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import type { LocalStore } from '../push/local-store.ts';
import { createProgress } from '../submit/progress.ts';

interface PushFlags extends ConnectionFlags, OutputFlags {
  readonly from: string;
}

export function addPushCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'push <path...>',
    summary: "Put store items of this machine into the coordinator's pool, with all that they refer to",
    more: [
      'A path is a store path, or a link to one, like ./result; "-" reads paths from standard input. What the pool has already is not sent.',
      'Each NAR is verified there and signed by the key of the pool alone. It needs a token of scope push or admin ("drover tokens create"): its',
      'holder is believed what a path that is not content-addressed stands for. When it was interrupted, the same command again goes on. Exit',
      'code 1 if something was refused: what does not depend on that is there all the same.',
    ].join(' '),
    examples: [
      ['drover push ./result', 'what nix-build made, with its closure'],
      ['echo /nix/store/HASH-hello-2.12 | drover push -', 'paths that another command names'],
      ['drover push /nix/store/HASH-hello-2.12 --from local?root=/mnt -o json', 'from another store, for a program'],
    ],
  }).option('--from <store>', 'the store that has them: auto, daemon, unix:///PATH or local?root=/DIR', 'auto');
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (paths: readonly string[], flags: PushFlags) => {
    const signal = io.interrupted();
    // Loaded here: no other command needs a store.
    const { openLocalStore } = await import('../push/local-store.ts');
    const { missingItems, sendItems } = await import('../push/send-items.ts');
    const { refusalLine, sendReport } = await import('../push/report.ts');
    const client = connect(flags, io, { signal, repeatable: true });
    try {
      await using store = openLocalStore(flags.from, await storeDirOf(client));
      const named: string[] = [];
      for (const path of paths) {
        if (path !== '-') named.push(path);
        else for (const one of await readPaths(signal)) named.push(one);
      }
      using progress = createProgress(io);
      progress.begin('reading the closure');
      const closure = await store.closure(resolveAll(store, named), signal, progress.update);
      const names = closure.map(({ path }) => path);
      const missing = await missingItems(client, names, signal);
      const lacking = closure.filter(({ path }) => missing.has(path));
      progress.begin('items sent', lacking.length);
      const result = await sendItems(client, lacking, {
        signal,
        onDone: progress.update,
        onRefused: (refusal) => progress.line(refusalLine(refusal)),
        onTrouble: progress.line,
      });
      await print(io, flags, sendReport(result, closure.length - lacking.length));
      return result.refused.length === 0 ? 0 : 1;
    } catch (error) {
      if (!signal.aborted) throw error;
      io.err('Interrupted. What was sent until then is there; the same command again goes on.\n');
      return interruptedCode(signal);
    }
  });

  async function readPaths(signal: AbortSignal): Promise<readonly string[]> {
    const { readStandardInput } = await import('../submit/eval-jobs.ts');
    return (await readStandardInput(io.stdin, signal)).derivations;
  }
}

/** All that are no paths of the store are named at once: who has twenty of them wants not to hear of one after the other. */
function resolveAll(store: Pick<LocalStore, 'resolve'>, paths: readonly string[]): string[] {
  const wrong: CliError[] = [];
  const items = paths.flatMap((path) => {
    try {
      return [store.resolve(path)];
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      wrong.push(error);
      return [];
    }
  });
  const [first, ...others] = wrong;
  if (first === undefined) return items;
  if (others.length === 0) throw first;
  throw new CliError('wrong-use', `${wrong.length} of ${paths.length} paths cannot be sent, and nothing was`, {
    details: wrong.map(({ message }) => message).join('\n'),
    exitCode: 2,
  });
}
