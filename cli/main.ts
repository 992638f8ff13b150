#!/usr/bin/env node
import { endWithOutput } from './output/broken-output.ts';

endWithOutput(process);
const argv = process.argv.slice(2);
if (argv[0] === '__complete') {
  // At every press of a key: without the commands, which take most of the time of a start.
  const { completionFor } = await import('./completion/main.ts');
  const text = await completionFor(argv.slice(1), process.env);
  // A name that is still looked up would hold the process.
  process.stdout.write(text, () => process.exit());
} else {
  const [{ runCli }, { processIo }] = await Promise.all([import('./program.ts'), import('./output/io.ts')]);
  process.exitCode = await runCli(argv, processIo());
}
