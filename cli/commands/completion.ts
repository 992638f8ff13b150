import { Argument, type Command } from 'commander';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { completionScripts, type Shell, shells } from '../completion/scripts.ts';

export function addCompletionCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'completion',
    summary: 'Print a script with which a shell completes commands, flags, and ids and names of the coordinator',
    more: 'Ids and names are asked of the coordinator that the line, the environment or the context in use names. Where it does not answer within a second, or wants a token that is not there, there are none.',
    examples: [
      [
        'drover completion bash > ~/.local/share/bash-completion/completions/drover',
        'for bash, where the package bash-completion is installed (make the folder first)',
      ],
      ['source <(drover completion bash)', 'the same in ~/.bashrc, without that package'],
      ['drover completion zsh > ~/.zfunc/_drover', 'for zsh: a folder of its fpath, before compinit is run'],
      ['drover completion fish > ~/.config/fish/completions/drover.fish', 'for fish'],
    ],
  }).addArgument(new Argument('<shell>', 'which shell').choices(shells));
  onAction(command, context, async (shell: Shell) => io.out(completionScripts[shell]));
}
