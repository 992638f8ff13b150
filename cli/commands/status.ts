import type { Command } from 'commander';
import type { FarmStatus } from '../../coordinator/application.ts';
import { addCommand, addJsonOption, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { details, json } from '../output/table.ts';

export function addStatusCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'status',
    summary: 'Show the figures of the whole farm',
    examples: [['drover status', 'builds by state, agents, items']],
  });
  addConnectionOptions(addJsonOption(command));
  onAction(command, context, async (flags: ConnectionFlags & { json?: true }) => {
    const status = await connect(flags, io.environment).get<FarmStatus>('/v1/status');
    io.out(flags.json ? json(status) : formatStatus(status));
  });
}

function formatStatus({
  builds,
  ready,
  derivations,
  items,
  agents,
  position,
  pendingCommits,
  uploads,
}: FarmStatus): string {
  const perSystem = Object.entries(ready)
    .filter(([, count]) => count > 0)
    .map(([system, count]) => `${system} ${count}`)
    .join(', ');
  return details([
    ['waiting for inputs', builds.waiting],
    ['ready', perSystem === '' ? builds.ready : `${builds.ready} (${perSystem})`],
    ['waiting to retry', builds.backoff],
    ['allocated', builds.allocated],
    ['running', builds.running],
    ['succeeded', builds.succeeded],
    ['failed', builds.failed],
    ['cancelled', builds.canceled],
    ['agents', `${agents.connected} of ${agents.registered} connected, ${agents.busy} of ${agents.slots} slots busy`],
    ['derivations', derivations],
    ['store items', items],
    ['log position', position ?? 'empty'],
    ['commits under way', pendingCommits],
    ['uploads without room', uploads.waiting === 0 ? undefined : uploads.waiting],
  ]);
}
