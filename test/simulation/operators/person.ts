import type { Blocker } from '../../../coordinator/application.ts';
import { isOver } from '../audit/ledger.ts';
import type { SimulatedFarm } from '../farm.ts';
import { insist } from '../violation.ts';
import { duties, follow } from './remedies.ts';

/** Somebody who does all that `why` says, once, and expects that it helps. */
export interface Person {
  /** What was done, by what blocked. */
  readonly done: ReadonlySet<string>;
  act(): Promise<void>;
  /** Once it is quiet again: what was seen to blocks nothing any more. */
  audit(): Promise<void>;
}

/** What blocks, and not only what kind of thing: a build that fails again is another one. */
const nameOf = ({ state, item, build }: Pick<Blocker, 'state' | 'item' | 'build'>): string =>
  [state, item, build ?? ''].join(' ');

export function createPerson(farm: SimulatedFarm): Person {
  const done = new Set<string>();

  async function blockers(): Promise<Map<string, ReturnType<typeof duties>[number]>> {
    const found = new Map<string, ReturnType<typeof duties>[number]>();
    for (const build of [...farm.ledger.builds.values()].filter((one) => !isOver(one))) {
      const answer = await farm.ask(`why ${build.id}`, async (application) => application.why(build.id));
      for (const duty of answer.value ? duties(answer.value) : []) found.set(nameOf(duty), duty);
    }
    return found;
  }

  return {
    done,
    async act() {
      for (const [name, { item, remedy, state }] of await blockers()) {
        farm.trace('person', `sees to ${name}: ${remedy}`);
        farm.cover('see to', state);
        if (await follow(farm, remedy, item, `person ${farm.seed} ${name}`)) done.add(name);
      }
    },
    async audit() {
      for (const name of (await blockers()).keys())
        insist(!done.has(name), 'I5', `somebody did what why says about ${name}, and it is as before`);
    },
  };
}
