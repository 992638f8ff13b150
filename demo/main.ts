/** `npm run demo`: a whole farm on this machine, from a graph of derivations to a client of the cache. */
import { runGuixDemo } from './guix.ts';
import { stopKept } from './keep.ts';
import { type DemoOptions, readOptions, usage } from './options.ts';
import { runDemo } from './run.ts';

const { stdout } = process;
const say = (line: string) => void stdout.write(`${line}\n`);

async function main(): Promise<number> {
  let options: DemoOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`demo: ${(error as Error).message}\n${usage}`);
    return 2;
  }
  if (options.task === 'help') {
    stdout.write(usage);
    return 0;
  }

  // Later signals do nothing more: what was begun is being cleaned up.
  const interrupted = new AbortController();
  // Nobody reads any more: a terminal that goes may be noticed by that first.
  stdout.on('error', () => interrupted.abort(new Error('nobody reads')));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (!interrupted.signal.aborted) console.error('\ndemo: stopping');
      interrupted.abort(new Error('interrupted'));
    });
  }
  try {
    if (options.task === 'stop') await stopKept(options.folder, say);
    else if (options.task === 'guix') await runGuixDemo({ say, signal: interrupted.signal });
    else {
      const colour = stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
      // Where nobody could end it by a key it is left.
      const kept = stdout.isTTY === true ? 'stay' : 'leave';
      await runDemo({
        after: options.keep ? kept : 'stop',
        nats: options.nats,
        say,
        colour,
        signal: interrupted.signal,
      });
    }
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) {
      console.error('demo: interrupted; nothing is left running');
      return 130;
    }
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

process.exitCode = await main();
