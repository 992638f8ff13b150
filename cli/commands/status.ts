import type { Command } from 'commander';
import type { FarmStatus } from '../../coordinator/application.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { figureRows } from '../output/figures.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { details } from '../output/table.ts';
import { plural, relativeTime } from '../output/text.ts';

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
    await print(io, flags, { value: status, text: (view) => formatStatus(status, view.now()) });
  });
}

function formatStatus({ pendingCommits, uploads, verification, ...figures }: FarmStatus, now: number): string {
  return details([
    ...figureRows(figures),
    ['commits under way', pendingCommits],
    ['uploads without room', uploads.waiting === 0 ? undefined : uploads.waiting],
    ['verification', verification && formatVerification(verification, now)],
  ]);
}

/** `running, 12 of 40 items, 2 wrong`; `ended 3h ago, 40 items, nothing wrong; the next in 6d`. */
function formatVerification(
  { state, ended, next, checked, total, wrong }: NonNullable<FarmStatus['verification']>,
  now: number,
): string {
  const found = wrong === 0 ? 'nothing wrong' : `${wrong.toLocaleString('en')} wrong`;
  if (state === 'running') return `running, ${checked.toLocaleString('en')} of ${plural(total, 'item')}, ${found}`;
  const then = next === undefined ? '' : `; the next ${relativeTime(next, now)}`;
  return ended === undefined
    ? `not begun yet${then}`
    : `ended ${relativeTime(ended, now)}, ${plural(checked, 'item')}, ${found}${then}`;
}
