import { type ChildProcess, spawn } from 'node:child_process';
import { constants as system } from 'node:os';
import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { HookOutcome } from '../../coordinator/ports/hook-transport.ts';
import { createOutputLog } from './command-output.ts';
import { hookVariables } from './command-variables.ts';
import { type DeliveryTo, eventText, type HookKind } from './kind.ts';

/** How long a command has from SIGTERM to SIGKILL. */
const graceMs = 2000;
/** How long the output of a command that has ended is waited for: a child that it left behind may hold it for ever. */
const outputMs = 500;

/**
 * Runs commands: the event comes on standard input, what is known of it in `DROVER_*`, and nothing else of the coordinator's environment
 * but what a shell needs: no token, no password. Exit code 0 is success. Each runs in a process group of its own, which is killed when
 * its time is up.
 */
export function createCommandTransport({ logger }: { readonly logger: Logger }): HookKind<'command'> {
  return {
    deliver: (delivery, signal) => run(delivery, signal, logger),
  };
}

function run(delivery: DeliveryTo<'command'>, signal: AbortSignal, logger: Logger): Promise<HookOutcome> {
  const { target, hook, event } = delivery;
  const [program, ...args] = typeof target.run === 'string' ? ['/bin/sh', '-c', target.run] : target.run;
  const id = `${event.stream}@${event.revision}`;
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ ok: false, error: 'ended before it began' });
    let child: ChildProcess;
    try {
      child = spawn(program as string, args, {
        detached: true,
        env: hookVariables(delivery, process.env),
        stdio: ['pipe', 'pipe', 'pipe'],
      });
    } catch (error) {
      // An argument or an environment that is too large, for example.
      return resolve({ ok: false, error: `${program}: ${(error as Error).message}` });
    }
    const output = createOutputLog((line) => logger.info({ hook, event: id }, `${hook}: ${line}`));
    for (const stream of [child.stdout, child.stderr])
      (stream as Readable).on('data', output.write).on('error', () => {});
    // One that does not read its input, or has ended, is no failure of ours.
    child.stdin?.on('error', () => {});
    child.stdin?.end(`${eventText(delivery)}\n`);

    let kill: NodeJS.Timeout | undefined;
    const end = (): void => {
      killGroup(child, 'SIGTERM');
      kill = setTimeout(() => killGroup(child, 'SIGKILL'), graceMs);
    };
    signal.addEventListener('abort', end, { once: true });

    let isOver = false;
    const over = (outcome: HookOutcome): void => {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener('abort', end);
      clearTimeout(kill);
      // What it left behind in its group goes with it where it was told to end, and never holds on to us.
      if (signal.aborted) killGroup(child, 'SIGKILL');
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
      output.end();
      resolve(outcome);
    };
    child.on('error', (error) => over({ ok: false, error: `${program}: ${error.message}` }));
    child.on('exit', (code, killedBy) => {
      const outcome = outcomeOf(code, killedBy, output);
      const late = setTimeout(() => over(outcome()), outputMs);
      child.on('close', () => {
        clearTimeout(late);
        over(outcome());
      });
    });
  });
}

function outcomeOf(
  code: number | null,
  killedBy: NodeJS.Signals | null,
  output: { readonly lastLine: string },
): () => HookOutcome {
  return () => {
    if (code === 0) return { ok: true };
    const how = killedBy === null ? `exit code ${code}` : `killed by ${killedBy} (${system.signals[killedBy]})`;
    return { ok: false, error: output.lastLine === '' ? how : `${how}: ${output.lastLine}` };
  };
}

/** The command and everything that it started and that did not leave its group. */
function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left in it.
  }
}
