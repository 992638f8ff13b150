import { nuisance } from '../audit/ledger.ts';
import { passingHook } from '../audit/receivers.ts';
import { isGranted, type SimulatedFarm } from '../farm.ts';
import { hashOf } from '../graph.ts';
import type { Random } from '../random.ts';
import { Violation } from '../violation.ts';
import type { Operator } from './operator.ts';

const nobody = { id: nuisance, scope: 'admin' } as const;

/** Wishes that have to be refused, each with a code, and leave no trace in the log (I12). */
async function disturb(farm: SimulatedFarm, random: Random): Promise<void> {
  const unknown = `${'0'.repeat(32)}-unknown`;
  const [build] = [...farm.ledger.builds.values()].filter(({ standing }) => standing === 'succeeded');
  const wishes: Readonly<Record<string, Parameters<typeof farm.ask<unknown>>[1]>> = {
    'cancel an unknown build': (application) => application.cancelBuild(nobody, 'nothing-1'),
    'retry an unknown build': (application) => application.retryBuild(nobody, 'nothing-1'),
    'delete an unknown item': (application) => application.deleteItems(nobody, { items: [unknown], reason: '' }),
    'steer an unknown agent': (application) => application.steerAgent(nobody, 'nobody', 'pause'),
    'add an agent again': (application) => {
      // None may be there: the wish to add the first may have been lost, or it was removed.
      const agent = application.agents().find(({ state }) => state !== 'retired');
      return agent === undefined ? application.revokeToken(nobody, 'none') : application.addAgent(nobody, agent.name);
    },
    'revoke an unknown token': (application) => application.revokeToken(nobody, 'nothing'),
    'submit an unknown derivation': (application) =>
      application.submit(nobody, { roots: [`${unknown}.drv`], options: { priority: 0 }, inputs: true, force: false }),
    'remove an unknown hook': (application) => application.removeHook(nobody, 'nothing'),
    'add a hook again': (application) => application.addHook(nobody, 'quick', { definition: passingHook }),
    'keep what nobody knows': (application) => application.addRoot(nobody, 'root0', { targets: [unknown] }),
    'remove an unknown root': (application) => application.removeRoot(nobody, 'nothing'),
    'take a root of the configuration': async (application) => {
      const own = application.roots().find(({ source }) => source === 'config');
      return application.removeRoot(nobody, own?.name ?? 'nothing');
    },
    'defer an unknown build': (application) => application.deferBuild(nobody, 'nothing-1', {}),
    'say why of an unknown item': (application) => application.whyItem(unknown),
    'send a source with a wrong path': async (application) =>
      application.beginUpload(nobody, {
        path: unknown,
        narHash: hashOf(Buffer.from('x')),
        narSize: 1e12,
        references: [],
        compression: 'none',
        fileSize: 1e12,
      }),
    ...(build && {
      'cancel what has ended': (application) => application.cancelBuild(nobody, build.id, { force: true }),
      'defer what has ended': (application) => application.deferBuild(nobody, build.id, {}),
      'defer for years': async (application) => application.deferBuild(nobody, build.id, { until: 8e15 }),
    }),
  };
  const what = random.pick(Object.keys(wishes)) as string;
  farm.cover('nuisance', what);
  const answer = await farm.ask(what, wishes[what] as (typeof wishes)[string]);
  if (isGranted(answer)) farm.fail(new Violation('I12', `${what}: was granted: ${JSON.stringify(answer.value)}`));
}

export const nuisanceOperators: Readonly<Record<string, Operator>> = {
  nuisance: { weight: 3, act: disturb },
};
