import type { Command } from 'commander';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { agentSettings } from '../config/agent-settings.ts';
import { addConfigOptions, configFrom } from '../config/options.ts';
import { CliError } from '../output/cli-error.ts';
import { endWhenUnhandled } from '../output/last-words.ts';
import { createLogger } from '../output/logger.ts';

export function addAgentCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'agent',
    summary: 'Run an agent, which builds what the coordinator gives it',
    more: 'The first SIGTERM or Ctrl-C lets it leave as --on-shutdown says, a second one at once. Flags go before DROVER_… variables, those before the file.',
    examples: [
      [
        'drover agent --coordinator https://builds.example.org --token-file worker-1.token --state /var/lib/drover-agent',
        "on the machine's own store",
      ],
      [
        'drover agent --config /etc/drover-agent.toml --slots 4 --store "local?root=/srv/chroot"',
        'with a store of its own',
      ],
    ],
  });
  addConfigOptions(command, agentSettings);
  onAction(command, context, async () => {
    const { config } = configFrom(command, agentSettings, [coordinatorConfigSchema], io.environment);
    const logger = createLogger(config, io);
    endWhenUnhandled(logger);
    // Loaded here, as no other command needs it: starting the CLI stays quick.
    const { runAgent } = await import('../../programs/agent.ts');
    return runAgent(config, logger).catch((error: unknown) => {
      const { code } = error as { code?: unknown };
      if (!(error instanceof Error) || typeof code !== 'string') throw error;
      const hint = code === 'folder-in-use' ? 'stop that one, or give this one a --state of its own' : undefined;
      throw new CliError(code, `the agent cannot run: ${error.message}`, { hint, cause: error });
    });
  });
}
