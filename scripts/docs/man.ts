import type { Command, Option } from 'commander';
import { examplesOf } from '../../cli/command.ts';
import { allCommands } from '../../cli/commands/all.ts';
import { processIo } from '../../cli/output/io.ts';
import { buildProgram, exitCodes } from '../../cli/program.ts';
import { version } from '../../cli/version.ts';

const everyCommand = await allCommands();

/** Manual pages by file name, `drover.1` and one for each command of the first level. @param date `2026-11-26`. */
export function manPages(date: string): ReadonlyMap<string, string> {
  const program = buildProgram({ io: processIo(), exitCode: 0 }, everyCommand);
  const all = program.commands.map((command) => `drover-${command.name()}`);
  const pages = new Map([['drover.1', page(program, 'drover', date, all)]]);
  for (const command of program.commands) {
    const name = `drover-${command.name()}`;
    pages.set(`${name}.1`, page(command, name, date, ['drover']));
  }
  return pages;
}

/** One page, in the macros of man(7). */
function page(command: Command, name: string, date: string, seeAlso: readonly string[]): string {
  const isProgram = command.parent === null;
  const parts = [
    `.TH ${name.toUpperCase().replaceAll('-', '\\-')} 1 ${date} "drover ${version()}" "Drover manual"`,
    `.SH NAME\n${plain(name)} \\- ${plain(firstSentence(command))}`,
    `.SH SYNOPSIS\n${synopsis(command)}`,
    `.SH DESCRIPTION\n${paragraphs(command.description())}`,
    ...options(command, '.SH OPTIONS'),
    ...(isProgram ? ['.SH COMMANDS', ...command.commands.map(reference)] : command.commands.map(subcommand)),
    ...examples(command, '.SH EXAMPLES'),
    `.SH EXIT STATUS\n${plain(exitCodes)}`,
    `.SH SEE ALSO\n${seeAlso.map((other) => `.BR ${plain(other)} (1)`).join(',\n')}`,
  ];
  return `${parts.join('\n')}\n`;
}

const firstSentence = (command: Command): string => (command.summary() || command.description()).replace(/\.$/, '');

const synopsis = (command: Command): string => `.B ${plain(command.createHelp().commandUsage(command))}`;

const reference = (command: Command): string =>
  `.TP\n.BR ${plain(`drover-${command.name()}`)} (1)\n${plain(firstSentence(command))}.`;

function subcommand(command: Command): string {
  const title = wordsOf(command).toUpperCase();
  return [
    `.SH "${plain(title)}"`,
    synopsis(command),
    paragraphs(command.description()),
    ...options(command, '.SS Options'),
    ...examples(command, '.SS Examples'),
  ].join('\n');
}

function wordsOf(command: Command): string {
  return command.parent === null ? command.name() : `${wordsOf(command.parent)} ${command.name()}`;
}

function options(command: Command, heading: string): string[] {
  const help = command.createHelp();
  const entries = help
    .visibleOptions(command)
    .map((option: Option) => `.TP\n.B ${plain(option.flags)}\n${plain(help.optionDescription(option))}`);
  return entries.length === 0 ? [] : [heading, ...entries];
}

function examples(command: Command, heading: string): string[] {
  const lines = examplesOf(command).map(([line, what]) => `${plain(what)}:\n.PP\n.EX\n  ${plain(line)}\n.EE`);
  return lines.length === 0 ? [] : [heading, lines.join('\n.PP\n')];
}

const paragraphs = (text: string): string =>
  text
    .split(/\n{2,}/)
    .map((paragraph) => `.PP\n${plain(paragraph)}`)
    .join('\n')
    .replace(/^\.PP\n/, '');

/** Text as it is: nothing in it is a request or an escape of roff, and a minus stays one when it is copied. */
function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll("'", '\\(aq')
    .replaceAll(/[^\n -~]/gu, (letter) => `\\[u${letter.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`)
    .replaceAll(/^(?=\.)/gm, '\\&');
}
