#!/usr/bin/env node
import { endWithOutput } from './output/broken-output.ts';
import { processIo } from './output/io.ts';
import { runCli } from './program.ts';

endWithOutput(process);
process.exitCode = await runCli(process.argv.slice(2), processIo());
