import type { Command } from 'commander';
import type { FarmStatus } from '../../coordinator/application.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { figureRows } from '../output/figures.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { details } from '../output/table.ts';

export function addStatusCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'status',
    summary: 'Show the figures of the whole farm',
    examples: [['drover status', 'builds by state, agents, items']],
  });
  addConnectionOptions(addOutputOptions(command, { names: false }));
  onAction(command, context, async (flags: ConnectionFlags & OutputFlags) => {
    const status = await connect(flags, io).get<FarmStatus>('/v1/status');
    await print(io, flags, { value: status, text: () => formatStatus(status) });
  });
}

function formatStatus({ pendingCommits, uploads, ...figures }: FarmStatus): string {
  return details([
    ...figureRows(figures),
    ['commits under way', pendingCommits],
    ['uploads without room', uploads.waiting === 0 ? undefined : uploads.waiting],
  ]);
}
