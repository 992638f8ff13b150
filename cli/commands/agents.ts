import type { Command } from 'commander';
import { Option } from 'commander';
import type { AgentStatus, FarmStatus, RotatedToken } from '../../coordinator/application.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect, connectAsAdmin } from '../http/connection.ts';
import { type FollowOptions, followEvents, lossTeller } from '../http/event-feed.ts';
import { durationSeconds } from '../numbers.ts';
import { formatAgent, formatAgents } from '../output/agents.ts';
import { CliError } from '../output/cli-error.ts';
import { addHandOutOptions, type HandOutFlags, handOutToken } from '../output/hand-out-token.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { addOutputOptions, forPrograms, type OutputFlags, print } from '../output/print.ts';
import { plural, relativeTime } from '../output/text.ts';

type Flags = ConnectionFlags & OutputFlags & { readonly reason?: string };
const longestOverlapSeconds = 30 * 24 * 3600;
const pathOf = (name: string) => `/v1/agents/${encodeURIComponent(name)}`;

export function addAgentsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const printAgent = (agent: AgentStatus, flags: Flags) =>
    print(io, flags, { value: agent, text: (view) => formatAgent(agent, view), names: [agent.name] });
  const agents = addGroup(program, {
    usage: 'agents',
    summary: 'Add agents, list them, steer them',
    examples: [
      ['drover agents add worker-1 --token-file worker-1.token', 'a token for a new agent'],
      ['drover agents rotate-token worker-1 --token-file worker-1.token', 'another one in its place'],
      ['drover agents drain worker-1 --wait', 'nothing new; ends once nothing runs there'],
    ],
  });

  const add = addCommand(agents, {
    usage: 'add <name>',
    summary: 'Add an agent and hand out its token, once',
    more: 'The token goes to a file of mode 0600 with --token-file, otherwise to standard output.',
    examples: [
      [
        'drover agents add worker-1 --token-file worker-1.token',
        'give this file to the agent (drover agent --token-file)',
      ],
    ],
  });
  addHandOutOptions(add);
  onAction(add, context, async (name: string, flags: HandOutFlags) => {
    const client = connectAsAdmin(flags, io);
    await handOutToken(io, flags, () => client.send<{ name: string; secret: string }>('POST', '/v1/agents', { name }));
  });

  const rotate = addCommand(agents, {
    usage: 'rotate-token <name>',
    summary: 'Make a new token for an agent; the one before is revoked after an overlap',
    more: 'The agent reads its token file each time it connects: put the new token there before the overlap ends, and it comes back with that by itself, with all that it runs. With --overlap 0 the token before is revoked at once; the agent leaves if it does not have the new one yet.',
    examples: [
      [
        'drover agents rotate-token worker-1 --token-file worker-1.token --overlap 1d',
        'replaces the token in the file; both are good for a day',
      ],
    ],
  }).addOption(
    new Option('--overlap <time>', 'how long the token before is still accepted: 90s, 10m, 2h, 7d; 0 for not at all')
      .argParser(durationSeconds(longestOverlapSeconds))
      .default(3600, '1h'),
  );
  addHandOutOptions(rotate, '; a token that is there is replaced');
  onAction(rotate, context, async (name: string, { overlap, ...flags }: HandOutFlags & { overlap: number }) => {
    const client = connectAsAdmin(flags, io);
    const body = { overlapSeconds: overlap };
    const make = () => client.send<{ name: string } & RotatedToken>('POST', `${pathOf(name)}/rotate-token`, body);
    const { replaced, until } = await handOutToken(io, flags, make, { replacesToken: true });
    if (until !== undefined && replaced.length > 0)
      io.err(
        overlap === 0
          ? `Revoked: ${replaced.join(' ')}.\n`
          : `Revoked ${relativeTime(until, io.now())}: ${replaced.join(' ')}. The agent has to have the new token by then.\n`,
      );
  });

  const list = addCommand(agents, {
    usage: 'list',
    summary: 'List all agents',
    examples: [['drover agents list', 'who is there, and what each can build']],
  });
  addConnectionOptions(addWatchOption(addOutputOptions(list)));
  onAction(list, context, async (flags: Flags & ListingFlags) => {
    const client = connect(flags, io);
    return printListing<AgentStatus>(io, flags, {
      client,
      // What it runs is told by builds.
      streams: ['agent-', 'build-'],
      async load() {
        const answer = await client.get<{ rows: readonly AgentStatus[] }>('/v1/agents');
        return { value: answer, rows: answer.rows, text: formatAgents, name: ({ name }) => name };
      },
    });
  });

  const show = addCommand(agents, {
    usage: 'show <name>',
    summary: 'Show one agent and what it runs',
    examples: [['drover agents show worker-1', 'state, abilities, builds']],
  });
  addConnectionOptions(addOutputOptions(show));
  onAction(show, context, async (name: string, flags: Flags) => {
    const agent = await connect(flags, io).get<AgentStatus>(pathOf(name));
    await printAgent(agent, flags);
  });

  const steering = [
    ['pause', 'Give an agent nothing new; what it runs goes on', 'before looking at the machine'],
    ['resume', 'End a pause, a drain or a quarantine', 'give it builds again'],
    ['drain', 'Give an agent nothing new until it is resumed; what it runs ends first', 'before a reboot'],
    ['remove', 'Remove an agent: its builds go to others, its token is refused', 'for good'],
  ] as const;
  for (const [wish, summary, what] of steering) {
    const command = addCommand(agents, {
      usage: `${wish} <name>`,
      summary,
      examples: [[`drover agents ${wish} worker-1${wish === 'drain' ? ' --wait' : ''}`, what]],
    }).option(
      '--reason <text>',
      `for the record${wish === 'pause' || wish === 'drain' ? '; given again, it takes the place of the one before' : ''}`,
    );
    if (wish === 'drain') command.option('--wait', 'end once nothing runs there any more');
    addConnectionOptions(addOutputOptions(command));
    onAction(command, context, async (name: string, flags: Flags & { readonly wait?: true }) => {
      const client = connect(flags, io);
      const { reason } = flags;
      let agent =
        wish === 'remove'
          ? await client.send<AgentStatus>(
              'DELETE',
              `${pathOf(name)}${reason === undefined ? '' : `?reason=${encodeURIComponent(reason)}`}`,
            )
          : await client.send<AgentStatus>('POST', `${pathOf(name)}/${wish}`, reason === undefined ? {} : { reason });
      if (flags.wait) {
        const signal = io.interrupted();
        const onLost = lossTeller((line) => io.err(`${line}\n`));
        agent = await drained(client, agent, { signal, onLost }, io);
        if (signal.aborted) {
          io.err(`${name} is being drained; drover agents show ${name} says how far it is.\n`);
          return interruptedCode(signal);
        }
      }
      await printAgent(agent, flags);
      if (wish === 'resume' && !forPrograms(flags) && (agent.state === 'disconnected' || agent.state === 'lost'))
        io.err(
          agent.link?.state === 'left'
            ? `${agent.name} was stopped: start it again on its machine, 'drover agent' or its service.\n`
            : `${agent.name} is not connected: see to its machine and its network.\n`,
        );
    });
  }
}

/** Resolves once nothing runs on the agent, or somebody has resumed it; as it is then, or when `signal` aborts. */
async function drained(
  client: Client,
  { name }: AgentStatus,
  options: Pick<FollowOptions, 'signal' | 'onLost'>,
  { err }: Pick<Io, 'err'>,
): Promise<AgentStatus> {
  // First: what happens after the first look is told by the feed.
  const { position } = await client.get<FarmStatus>('/v1/status');
  let agent = await client.get<AgentStatus>(pathOf(name));
  let said: number | undefined;
  const isOver = (): boolean => {
    const running = agent.running.length;
    if (agent.operator.said !== 'draining') return true;
    if (running !== said) err(`waiting for ${plural(running, 'build')} on ${name}\n`);
    said = running;
    return false;
  };
  if (isOver()) return checkDrained(agent);
  const streams = [`agent-${name}`, ...agent.running.map(({ build }) => `build-${build}`)];
  for await (const _ of followEvents(client, { from: position ?? 'start', streams, ...options })) {
    agent = await client.get<AgentStatus>(pathOf(name));
    if (isOver()) return checkDrained(agent);
  }
  return agent;
}

function checkDrained(agent: AgentStatus): AgentStatus {
  if (agent.operator.said !== 'drained')
    throw new CliError('not-drained', `${agent.name} is not drained any more: somebody resumed it`);
  return agent;
}
