import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { examplesOf } from '../../../cli/command.ts';

export interface ExampleLine {
  /** Words of the command in whose help it is; empty for the help of all. */
  readonly name: string;
  readonly line: string;
  /** What a shell gives `drover` of it. */
  readonly argv: readonly string[];
}

/** Every command below `command`, with the words that call it. */
export function walk(command: Command, words: readonly string[] = []): readonly (readonly [string, Command])[] {
  return command.commands.flatMap((child) => {
    const path = [...words, child.name()];
    return [[path.join(' '), child] as const, ...walk(child, path)];
  });
}

/** The examples of all commands, each as a real shell takes it, in the folder. */
export function exampleLines(program: Command, home: string): readonly ExampleLine[] {
  const examples = [['', program] as const, ...walk(program)].flatMap(([name, command]) =>
    examplesOf(command).map(([line]) => ({ name, line })),
  );
  for (const completions of ['.local/share/bash-completion/completions', '.zfunc', '.config/fish/completions'])
    mkdirSync(join(home, completions), { recursive: true });
  // What is called in a line says with what words.
  const script = [
    "drover() { printf '%s\\0' \"$@\" >&3; printf '\\n\\0' >&3; }",
    'sudo() { [ "$1" = -u ] && shift 2 && "$@"; }',
    'nix-eval-jobs() { :; }; guix() { :; }; ls() { :; }; pass() { :; }; echo() { :; }; jq() { cat > jq-input; }',
    ...examples.flatMap(({ line }) => [line, "printf '\\r\\0' >&3"]),
  ].join('\n');
  const { status, stderr, output } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: home,
    env: { HOME: home, PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const called = (output[3] as string).split('\r\0').slice(0, -1);
  assert.equal(called.length, examples.length);
  return examples.map(({ name, line }, index) => {
    const lines = (called[index] as string).split('\n\0').slice(0, -1);
    assert.equal(lines.length, 1, line);
    return { name, line, argv: (lines[0] as string).split('\0').slice(0, -1) };
  });
}
