import type { Command } from 'commander';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { agentSettings } from '../config/agent-settings.ts';
import { addConfigOptions, configFrom } from '../config/options.ts';
import type { Finding } from '../doctor/finding.ts';
import { addConnectionOptions, type ConnectionFlags } from '../http/connection.ts';
import { CliError } from '../output/cli-error.ts';
import { formatFindings } from '../output/doctor.ts';
import type { Io } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { printable } from '../output/text.ts';

const rules = 'Exit code 1 if there is something to do; 2 if a setting is wrong. No secret is printed.';

export function addDoctorCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const doctor = addGroup(program, {
    usage: 'doctor',
    summary: 'Look at what is set up, and say what is to do',
    more: `Without a word behind it, drover doctor client. ${rules}`,
    examples: [
      ['drover doctor', 'which coordinator, which token, and whether all is well between here and there'],
      ['drover doctor agent --config /etc/drover-agent.toml', 'on the machine of an agent'],
      ['drover doctor coordinator --config /etc/drover.toml', 'on the machine of the coordinator'],
    ],
  });

  const client = addCommand(doctor, {
    usage: 'client',
    isDefault: true,
    summary: 'Ask the coordinator that commands use, as they would',
    more: rules,
    examples: [['drover doctor client --url https://builds.example.org', 'before the first submit']],
  }).allowExcessArguments();
  addConnectionOptions(addOutputOptions(client, { names: false }));
  onAction(client, context, async (flags: ConnectionFlags & OutputFlags) => {
    // As it is what doctor does by itself, a word that is none of its commands arrives here.
    const [strange] = client.args;
    if (strange !== undefined)
      throw new CliError('wrong-use', `expected client, agent or coordinator after doctor, got ${printable(strange)}`, {
        hint: 'drover doctor --help',
        exitCode: 2,
      });
    const { checkClient } = await import('../doctor/client.ts');
    return tell(io, flags, await checkClient(flags, io.environment));
  });

  const agent = addCommand(doctor, {
    usage: 'agent',
    summary: 'Look at everything that an agent with these settings needs',
    more: `Takes the settings of drover agent. A derivation is built to see whether the Nix does it, which leaves two items of some bytes in the store until its garbage is collected; an agent that runs with the same token and folder is not disturbed. Run it as the user that runs the agent. ${rules}`,
    examples: [
      ['sudo -u drover-agent drover doctor agent --config /etc/drover-agent.toml', 'as the user of the service'],
      ['drover doctor agent --config /etc/drover-agent.toml -o json', 'for a program'],
    ],
  });
  addConfigOptions(addOutputOptions(agent, { names: false }), agentSettings);
  onAction(agent, context, async (flags: OutputFlags) => {
    const { config } = configFrom(agent, agentSettings, [coordinatorConfigSchema], io.environment);
    const { checkAgent } = await import('../doctor/agent.ts');
    return tell(io, flags, await checkAgent(config));
  });

  const coordinator = addCommand(doctor, {
    usage: 'coordinator',
    summary: 'Look at everything that a coordinator with these settings needs',
    more: `Takes the settings of drover coordinator. Nothing is written but probes, which are removed; one that runs is not disturbed. Run it as the user that runs the coordinator. ${rules}`,
    examples: [
      ['sudo -u drover drover doctor coordinator --config /etc/drover.toml', 'as the user of the service'],
      ['drover doctor coordinator --data /var/lib/drover -o json', 'for a program'],
    ],
  });
  addConfigOptions(addOutputOptions(coordinator, { names: false }), coordinatorConfigSchema);
  onAction(coordinator, context, async (flags: OutputFlags) => {
    const { config } = configFrom(coordinator, coordinatorConfigSchema, [agentSettings], io.environment);
    const { checkCoordinator } = await import('../doctor/coordinator.ts');
    return tell(io, flags, await checkCoordinator(config, io.environment));
  });
}

async function tell(io: Io, flags: OutputFlags, findings: readonly Finding[]): Promise<number> {
  const isWell = findings.every(({ verdict }) => verdict !== 'to do');
  await print(io, flags, { value: { ok: isWell, findings }, text: (view) => formatFindings(findings, view) });
  return isWell ? 0 : 1;
}
