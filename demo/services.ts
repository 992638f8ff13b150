import { commandLine } from './commands.ts';
import { type Service, startService } from './service.ts';
import type { Workspace } from './workspace.ts';

/** Everything that the demo runs in the background. */
export interface Services {
  readonly all: readonly Service[];
  /** Aborts when one of them ends without having been asked to, with an error that says which. */
  readonly lost: AbortSignal;
  /**
   * Starts the program of this folder or another; what it writes goes to a file of the service's name.
   *
   * @param attended whether its standard input ends when the demo does
   */
  start(
    name: string,
    command: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    attended?: boolean,
  ): Promise<Service>;
  /** The ends of their logs, for somebody who looks for the cause of a failure. */
  lastWords(): Promise<string>;
  /** Stops the last one first, as the others do not need it, and those that are attended at the end. */
  stop(): Promise<void>;
}

const shownLines = 10;

export function openServices(workspace: Workspace): Services {
  const all: Service[] = [];
  const lost = new AbortController();
  return {
    all,
    lost: lost.signal,
    async start(name, command, args, environment, attended = false) {
      lost.signal.throwIfAborted();
      const logFile = workspace.file(`${name}.log`);
      const onLost = (how: string) => lost.abort(new Error(`${commandLine(command, args)}: ended with ${how}`));
      const service = await startService({ name, command, args, environment, logFile, attended, onLost });
      all.push(service);
      return service;
    },
    async lastWords() {
      const logs = all.map(async ({ name, log }) => {
        const lines = (await log()).trimEnd().split('\n').slice(-shownLines);
        return [`\nThe end of what ${name} wrote:`, ...lines.map((line) => `  ${line}`)].join('\n');
      });
      return (await Promise.all(logs)).join('\n');
    },
    async stop() {
      const reversed = all.toReversed();
      // What ends the farm where the demo cannot any more is there until the end: the demo may be killed meanwhile.
      for (const attended of [false, true])
        for (const service of reversed) if (service.attended === attended) await service.stop();
    },
  };
}
