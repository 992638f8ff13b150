import { flushCompileCache } from 'node:module';
import type { Command } from 'commander';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { agentSettings } from '../config/agent-settings.ts';
import { addConfigOptions, configFrom } from '../config/options.ts';
import { endWhenUnhandled } from '../output/last-words.ts';
import { createLogger } from '../output/logger.ts';
import { startError } from '../output/start-error.ts';

export function addCoordinatorCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'coordinator',
    summary: 'Run a coordinator',
    more: 'The first start makes the data folder, an admin token (DATA/admin.token, mode 0600) and a key that signs the cache. Flags go before DROVER_… variables, those before the file.',
    examples: [
      ['drover coordinator --data /var/lib/drover', 'on 127.0.0.1:8745'],
      ['drover coordinator --config /etc/drover.toml --listen "[::]:8745"', 'with a file; flags go first'],
    ],
  });
  addConfigOptions(command, coordinatorConfigSchema);
  onAction(command, context, async () => {
    const { config } = configFrom(command, coordinatorConfigSchema, [agentSettings], io.environment);
    const logger = createLogger(config, io);
    endWhenUnhandled(logger);
    // Loaded here, as no other command needs it: starting the CLI stays quick.
    const { runCoordinator } = await import('../../programs/coordinator.ts');
    const { tellReady } = await import('../../adapters/runtime/service-manager.ts');
    const interrupted = io.interrupted();
    const coordinator = await runCoordinator(config, logger).catch((error: unknown) => {
      throw startError(error, config);
    });
    const { url, adminTokenFile, adminTokenTrouble } = coordinator;
    const token =
      adminTokenTrouble === undefined
        ? `admin token in ${adminTokenFile}`
        : `with the admin tokens that were handed out: the one in ${adminTokenFile} ${adminTokenTrouble}. Where no other is left, stop the coordinator, remove that file, and start it: it makes another`;
    io.err(`drover: coordinator at ${url}, ${token}\n`);
    io.err(`drover: the cache's public key is in ${coordinator.publicKeyFile}: ${coordinator.publicKey}\n`);
    const { guixPublicKeyFile } = coordinator;
    if (guixPublicKeyFile !== undefined)
      io.err(`drover: that for Guix is in ${guixPublicKeyFile}: guix archive --authorize < ${guixPublicKeyFile}\n`);
    tellReady(io.environment).catch((error) =>
      logger.error(
        { err: error },
        'systemd could not be told that the coordinator is up: it waits for that, and ends the coordinator where its unit has a TimeoutStartSec',
      ),
    );
    // Now, as one that is killed leaves nothing for its next start.
    flushCompileCache();
    const stopped = Promise.withResolvers<void>();
    if (interrupted.aborted) stopped.resolve();
    else interrupted.addEventListener('abort', () => stopped.resolve(), { once: true });
    const deposed = await Promise.race([stopped.promise, coordinator.deposed]);
    await coordinator.close();
    if (deposed) throw startError(deposed, config, true);
  });
}
