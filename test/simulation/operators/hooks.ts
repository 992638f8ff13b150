import { passingHook } from '../audit/receivers.ts';
import type { SimulatedFarm } from '../farm.ts';
import { type Operator, pause } from './operator.ts';

/** What somebody has paused goes on in the end, or nothing would be owed. */
export async function resumeHooks(farm: SimulatedFarm): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const there = await farm.ask('list hooks', async (application) => application.hooks());
    const paused = there.value?.filter(({ state }) => state === 'paused');
    if (paused?.length === 0) return;
    for (const { name } of paused ?? [])
      await farm.ask(`resume hook ${name}`, (application) => application.resumeHook(farm.admin, name));
    await pause(farm, 500);
  }
}

/** What people do with hooks. */
export const hookOperators: Readonly<Record<string, Operator>> = {
  'add hook': {
    weight: 1,
    async act(farm, random) {
      farm.cover('add hook', 'new');
      const name = `extra${random.below(5)}`;
      await farm.ask(`add hook ${name}`, (application) =>
        application.addHook(farm.admin, name, { definition: passingHook }),
      );
    },
  },
  'remove hook': {
    weight: 1,
    async act(farm, random) {
      const there = await farm.ask('list hooks', async (application) => application.hooks());
      const hook = random.pick((there.value ?? []).filter(({ name }) => name.startsWith('extra')));
      if (!hook) return;
      farm.cover('remove hook', hook.state);
      await farm.ask(`remove hook ${hook.name}`, (application) => application.removeHook(farm.admin, hook.name));
    },
  },
  'pause hook': {
    weight: 1,
    async act(farm, random) {
      const name = random.pick(['quick', 'flaky', 'ordered', 'parks']) as string;
      farm.cover('pause hook', name);
      await farm.ask(`pause hook ${name}`, (application) => application.pauseHook(farm.admin, name));
      await pause(farm, random.between(100, 10_000));
      await farm.ask(`resume hook ${name}`, (application) => application.resumeHook(farm.admin, name));
    },
  },
};
