import type { Blocker, Why } from '../../../coordinator/application.ts';
import { isGranted, type SimulatedFarm } from '../farm.ts';
import type { Machine } from '../machine.ts';
import type { Random } from '../random.ts';
import { Violation } from '../violation.ts';
import { renewToken } from './agents.ts';
import { sendDerivation, sendSource, sendSources, submit } from './submissions.ts';

/** What a person does who reads `why`, by the text of a remedy: true where there is something to do. */
const remedies: readonly (readonly [RegExp, (farm: SimulatedFarm, what: string, key: string) => Promise<boolean>])[] = [
  [
    /^drover builds retry (\S+)$/,
    async (farm, build) =>
      isGranted(await farm.ask(`retry ${build}`, (application) => application.retryBuild(farm.admin, build))),
  ],
  [
    /^drover submit (\S+\.drv)$/,
    async (farm, derivation, key) => {
      await sendDerivation(farm, derivation);
      await sendSources(farm, [derivation]);
      return (await submit(farm, [derivation], key)) !== undefined;
    },
  ],
  [
    /^drover agents resume (\S+)$/,
    async (farm, agent) =>
      isGranted(
        await farm.ask(`resume ${agent}`, (application) => application.steerAgent(farm.admin, agent, 'resume')),
      ),
  ],
  [
    /^drover agents rotate-token (\S+)$/,
    async (farm, agent) => {
      await renewToken(farm, machineOf(farm, agent));
      return true;
    },
  ],
  [
    /^start the agent (\S+?),? /,
    async (farm, agent) => {
      machineOf(farm, agent).start();
      return true;
    },
  ],
  [
    /^free the disk of the agent (\S+?),? /,
    async (farm, agent) => {
      machineOf(farm, agent).disk.litter = 'none';
      return true;
    },
  ],
  // It tries itself again by itself.
  [/^drover agents show (\S+)$/, async () => false],
  // Each farm has agents for everything.
  [/^drover agents add NAME$/, async () => false],
];

const machineOf = (farm: SimulatedFarm, agent: string): Machine => {
  const found = farm.machines.find(({ name }) => name === agent);
  if (!found) throw new Violation('I5', `why names the agent ${agent}, which there is not`);
  return found;
};

/** Does what a remedy says; whether that was something that changes anything. */
export async function follow(farm: SimulatedFarm, remedy: string, item: string, key: string): Promise<boolean> {
  if (remedy === 'drover submit, from where it is') {
    await sendSource(farm, item);
    return true;
  }
  for (const [form, act] of remedies) {
    const found = form.exec(remedy);
    if (found) return act(farm, found[1] ?? '', key);
  }
  throw new Violation('I5', `nobody can do what why says: ${remedy}`);
}

/** What `why` says has to be seen to, with what a person does about it. */
export function duties(told: Why): readonly Pick<Blocker, 'item' | 'state' | 'build' | 'remedy'>[] {
  return 'blockers' in told ? told.blockers : [];
}

/** Asks why a build waits, and does what is said. */
export async function actOnWhy(farm: SimulatedFarm, build: string, random: Random): Promise<void> {
  const answer = await farm.ask(`why ${build}`, async (application) => application.why(build));
  const told = answer.value;
  if (told === undefined) return;
  if (told.reason === 'deferred') {
    farm.cover('act on why', 'deferred');
    await farm.ask(`defer ${build} until now`, (application) => application.deferBuild(farm.admin, build, {}));
    return;
  }
  const duty = random.pick(duties(told));
  const remedy = told.reason === 'ended' ? told.remedy : duty?.remedy;
  if (remedy === undefined) return;
  farm.cover('act on why', duty?.state ?? 'ended');
  await follow(farm, remedy, duty?.item ?? '', `person ${farm.seed} ${random.below(1e9)}`);
}
