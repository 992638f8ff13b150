import { isGranted, type SimulatedFarm } from '../farm.ts';
import type { Machine } from '../machine.ts';
import { insist } from '../violation.ts';
import { agentState, type Operator, pause } from './operator.ts';

function steer(wish: 'pause' | 'resume' | 'drain'): Operator['act'] {
  return async (farm, random) => {
    const machine = random.pick(farm.machines) as Machine;
    farm.cover(`${wish} agent`, agentState(farm, machine));
    await farm.ask(`${wish} ${machine.name}`, (application) =>
      application.steerAgent(farm.admin, machine.name, wish, 'for the sake of it'),
    );
  };
}

/** A new token, with which its agent starts. */
export async function renewToken(farm: SimulatedFarm, machine: Machine): Promise<void> {
  const answer = await farm.ask(`rotate the token of ${machine.name}`, (application) =>
    application.rotateToken(farm.admin, machine.name, { overlapSeconds: 0 }),
  );
  if (answer.value) machine.secret = answer.value.secret;
  machine.start();
}

/** Registers an agent that was removed under the name that it had. */
async function addAgain(farm: SimulatedFarm, machine: Machine): Promise<void> {
  const answer = await farm.ask(`add ${machine.name} again`, (application) =>
    application.addAgent(farm.admin, machine.name),
  );
  if (answer.value) machine.secret = answer.value.secret;
  machine.start();
}

/** Gives every agent that has no valid token a new one, and registers those that were removed. */
export async function renewTokens(farm: SimulatedFarm): Promise<void> {
  for (const machine of farm.machines) {
    for (let tries = 0; tries < 50; tries++) {
      const { served } = farm.house;
      try {
        if (served?.application.authenticate(machine.secret)) break;
      } catch {
        // No coordinator at the moment.
      }
      const isRemoved = farm.ledger.agents.get(machine.name)?.retired;
      await (isRemoved ? addAgain : renewToken)(farm, machine);
      await pause(farm, 500);
    }
  }
}

/** What people do with agents and their tokens. */
export const agentOperators: Readonly<Record<string, Operator>> = {
  'pause agent': { weight: 1, act: steer('pause') },
  'resume agent': { weight: 2, act: steer('resume') },
  'drain agent': { weight: 1, act: steer('drain') },
  'rotate token': {
    weight: 1,
    async act(farm, random) {
      const machine = random.pick(farm.machines) as Machine;
      farm.cover('rotate token', agentState(farm, machine));
      await renewToken(farm, machine);
    },
  },
  'revoke token': {
    weight: 1,
    async act(farm, random) {
      const machine = random.pick(farm.machines) as Machine;
      farm.cover('revoke token', agentState(farm, machine));
      const id = [...farm.ledger.tokens].findLast(([, { agent, revoked }]) => agent === machine.name && !revoked)?.[0];
      if (id === undefined) return;
      const answer = await farm.ask(`revoke the token of ${machine.name}`, (application) =>
        application.revokeToken(farm.admin, id),
      );
      if (isGranted(answer))
        farm.guard(() =>
          insist(farm.ledger.tokens.get(id)?.revoked, 'I1', `${id} was revoked, and the log does not say so`),
        );
      farm.client.after(random.between(1000, 8000), () => void renewTokens(farm));
    },
  },
};

/** A token that is handed over: the old one is accepted for a while, whatever becomes of the coordinator meanwhile. */
export const handOver: Operator = {
  weight: 1,
  async act(farm, random) {
    const machine = random.pick(farm.machines) as Machine;
    const overlapSeconds = random.between(1, 30);
    farm.cover('hand over token', agentState(farm, machine));
    for (;;) {
      const answer = await farm.ask(`hand over the token of ${machine.name}`, (application) =>
        application.rotateToken(farm.admin, machine.name, { overlapSeconds }),
      );
      if (answer.value) machine.secret = answer.value.secret;
      if (answer.lost === undefined) break;
      // A token that nobody has got would be the only one in the end.
      await pause(farm, 500);
    }
    machine.start();
  },
};

export const removeAgent: Operator = {
  weight: 1,
  async act(farm, random) {
    const machine = random.pick(farm.machines) as Machine;
    farm.cover('remove agent', agentState(farm, machine));
    // Added again meanwhile, it is another entry.
    const before = farm.ledger.agents.get(machine.name);
    const answer = await farm.ask(`remove ${machine.name}`, (application) =>
      application.steerAgent(farm.admin, machine.name, 'remove'),
    );
    if (!isGranted(answer)) return;
    farm.guard(() => insist(before?.retired, 'I1', `${machine.name} was removed, and the log does not say so`));
    await pause(farm, random.between(100, 20_000));
    await addAgain(farm, machine);
  },
};
