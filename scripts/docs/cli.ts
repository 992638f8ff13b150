import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { allCommands } from '../../cli/commands/all.ts';
import { processIo } from '../../cli/output/io.ts';
import { buildProgram } from '../../cli/program.ts';

const everyCommand = await allCommands();

/** docs/cli.md: what `--help` says, at every level, and then what somebody wrote: cli-compared.md. */
export function cliPage(): string {
  const program = buildProgram({ io: processIo(), exitCode: 0 }, everyCommand);
  const parts = [
    '# The command line',
    '<!-- Made by scripts/generate-docs.ts from the commands and scripts/docs/cli-compared.md; do not edit. -->',
    'What `drover … --help` says, at every level. In a clone, `npx drover` runs it.',
    'An unknown id or name as an argument, `drover builds show nothing`, ends with exit code 1: what was asked for is not there. In a filter, `drover builds list --agent nobody` or `--submission`, it ends with 2, as wrong use: no empty list is to hide a misspelling.',
    section(program, 'drover'),
  ];
  walk(program, 'drover', parts);
  parts.push(readFileSync(new URL('cli-compared.md', import.meta.url), 'utf8').trimEnd());
  return `${parts.join('\n\n')}\n`;
}

function walk(command: Command, words: string, parts: string[]): void {
  for (const child of command.commands) {
    const name = `${words} ${child.name()}`;
    parts.push(section(child, name));
    walk(child, name, parts);
  }
}

function section(command: Command, name: string): string {
  let help = '';
  command.configureOutput({
    writeOut: (text) => (help += text),
    getOutHasColors: () => false,
    getOutHelpWidth: () => 110,
  });
  command.outputHelp();
  return `## ${name}\n\n\`\`\`text\n${help.trimEnd()}\n\`\`\``;
}
