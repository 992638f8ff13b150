import type { Command } from 'commander';
import type { AgentStatus } from '../../coordinator/application.ts';
import { addCommand, addGroup, addJsonOption, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { formatAgent, formatAgents } from '../output/agents.ts';
import { json } from '../output/table.ts';

type Flags = ConnectionFlags & { readonly json?: true; readonly reason?: string };
const pathOf = (name: string) => `/v1/agents/${encodeURIComponent(name)}`;

export function addAgentsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const agents = addGroup(program, {
    usage: 'agents',
    summary: 'Add agents, list them, steer them',
    examples: [
      ['drover agents add worker-1 > worker-1.token', 'a token for a new agent'],
      ['drover agents drain worker-1', 'let it finish, then leave'],
    ],
  });

  const add = addCommand(agents, {
    usage: 'add <name>',
    summary: 'Add an agent and print its token, once',
    examples: [
      ['drover agents add worker-1 > worker-1.token', 'give this file to the agent (drover agent --token-file)'],
    ],
  });
  addConnectionOptions(addJsonOption(add));
  onAction(add, context, async (name: string, flags: Flags) => {
    const added = await connect(flags, io.environment).send<{ name: string; secret: string }>('POST', '/v1/agents', {
      name,
    });
    io.out(flags.json ? json(added) : `${added.secret}\n`);
    if (!flags.json) io.err('This token is not shown again.\n');
  });

  const list = addCommand(agents, {
    usage: 'list',
    summary: 'List all agents',
    examples: [['drover agents list', 'who is there, and what each can build']],
  });
  addConnectionOptions(addJsonOption(list));
  onAction(list, context, async (flags: Flags) => {
    const answer = await connect(flags, io.environment).get<{ rows: readonly AgentStatus[] }>('/v1/agents');
    io.out(flags.json ? json(answer) : formatAgents(answer.rows, io));
  });

  const show = addCommand(agents, {
    usage: 'show <name>',
    summary: 'Show one agent and what it runs',
    examples: [['drover agents show worker-1', 'state, abilities, builds']],
  });
  addConnectionOptions(addJsonOption(show));
  onAction(show, context, async (name: string, flags: Flags) => {
    const agent = await connect(flags, io.environment).get<AgentStatus>(pathOf(name));
    io.out(flags.json ? json(agent) : formatAgent(agent, io));
  });

  const steering = [
    ['pause', 'Give an agent nothing new; what it runs goes on', 'before looking at the machine'],
    ['resume', 'End a pause, a drain or a quarantine', 'give it builds again'],
    ['drain', 'Give an agent nothing new, and let it leave when its builds have ended', 'before a reboot'],
    ['remove', 'Remove an agent: its builds go to others, its token is refused', 'for good'],
  ] as const;
  for (const [wish, summary, what] of steering) {
    const command = addCommand(agents, {
      usage: `${wish} <name>`,
      summary,
      examples: [[`drover agents ${wish} worker-1`, what]],
    }).option('--reason <text>', 'for the record');
    addConnectionOptions(addJsonOption(command));
    onAction(command, context, async (name: string, flags: Flags) => {
      const client = connect(flags, io.environment);
      const { reason } = flags;
      const agent =
        wish === 'remove'
          ? await client.send<AgentStatus>(
              'DELETE',
              `${pathOf(name)}${reason === undefined ? '' : `?reason=${encodeURIComponent(reason)}`}`,
            )
          : await client.send<AgentStatus>('POST', `${pathOf(name)}/${wish}`, reason === undefined ? {} : { reason });
      io.out(flags.json ? json(agent) : formatAgent(agent, io));
    });
  }
}
