#!/usr/bin/env node
import { processIo } from './output/io.ts';
import { runCli } from './program.ts';

// `drover builds list | head` closes the pipe early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), processIo());
