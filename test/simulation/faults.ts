import type { SimulatedFarm } from './farm.ts';
import { idleLoad, type Machine } from './machine.ts';
import type { Random } from './random.ts';
import { lies, type SimulatedUpstream } from './upstream.ts';

/** Something that befalls the farm, for a while or at once. */
export interface Fault {
  /** How often it is chosen, against the others. */
  readonly weight: number;
  strike(farm: SimulatedFarm, random: Random): void;
}

/** For a while; {@link heal} ends it sooner. */
function lasting(
  name: string,
  least: number,
  most: number,
  begin: (farm: SimulatedFarm) => void,
  end: (farm: SimulatedFarm) => void,
): Fault['strike'] {
  return (farm, random) => {
    begin(farm);
    farm.weather.active.add(name);
    farm.client.after(random.between(least, most), () => {
      farm.weather.active.delete(name);
      end(farm);
    });
  };
}

function machine(farm: SimulatedFarm, random: Random): Machine {
  return random.pick(farm.machines) as Machine;
}

function restart(farm: SimulatedFarm, one: Machine, afterMs: number): void {
  farm.client.after(afterMs, () => one.start());
}

function restartCoordinator(farm: SimulatedFarm, afterMs: number): void {
  farm.house.kill();
  for (const { wire } of [...farm.machines, ...farm.twins]) wire.cut();
  farm.client.after(afterMs, () => farm.house.start());
}

export const faults: Readonly<Record<string, Fault>> = {
  'link cut': {
    weight: 4,
    strike: (farm, random) => machine(farm, random).wire.cut(),
  },
  'link silent': {
    weight: 3,
    strike(farm, random) {
      const { wire } = machine(farm, random);
      lasting(
        'link silent',
        500,
        90_000,
        () => (wire.weather.silent = true),
        () => wire.clear(),
      )(farm, random);
    },
  },
  'link slow': {
    weight: 1,
    strike(farm, random) {
      const { wire } = machine(farm, random);
      lasting(
        'link slow',
        500,
        20_000,
        () => (wire.weather.delay = 3000),
        () => wire.clear(),
      )(farm, random);
    },
  },
  'answers lost': {
    weight: 3,
    strike: lasting(
      'answers lost',
      1000,
      20_000,
      (farm) => (farm.lossy = 0.4),
      (farm) => (farm.lossy = 0),
    ),
  },
  'agent killed': {
    weight: 4,
    strike(farm, random) {
      const one = machine(farm, random);
      one.kill();
      restart(farm, one, random.between(100, 12_000));
    },
  },
  'agent wiped': {
    weight: 2,
    strike(farm, random) {
      const one = machine(farm, random);
      one.kill();
      one.wipe();
      restart(farm, one, random.between(100, 12_000));
    },
  },
  'agent stopped': {
    weight: 3,
    strike: (farm, random) =>
      machine(farm, random).stop(random.pick(['finish', 'hand-back', 'leave'] as const) as 'finish'),
  },
  'agent full': {
    weight: 2,
    strike(farm, random) {
      const one = machine(farm, random);
      lasting(
        'agent full',
        1000,
        20_000,
        () => (one.disk.full = true),
        () => (one.disk.full = false),
      )(farm, random);
    },
  },
  'agent busy': {
    weight: 1,
    strike(farm, random) {
      const one = machine(farm, random);
      lasting(
        'agent busy',
        2000,
        50_000,
        () => (one.load = 9),
        () => (one.load = idleLoad),
      )(farm, random);
    },
  },
  'agent littered': {
    weight: 2,
    strike(farm, random) {
      const one = machine(farm, random);
      const litter = random.chance(0.7) ? 'garbage' : 'stuck';
      lasting(
        'agent littered',
        1000,
        30_000,
        () => (one.disk.litter = litter),
        () => (one.disk.litter = 'none'),
      )(farm, random);
    },
  },
  'agent slow': {
    weight: 1,
    strike(farm, random) {
      const one = machine(farm, random);
      lasting(
        'agent slow',
        5000,
        30_000,
        () => (one.slowness = 20),
        () => (one.slowness = 1),
      )(farm, random);
    },
  },
  'agent lies': {
    weight: 2,
    strike(farm, random) {
      const one = machine(farm, random);
      lasting(
        'agent lies',
        2000,
        15_000,
        () => (one.lies = true),
        () => (one.lies = false),
      )(farm, random);
    },
  },
  'agent twice': {
    weight: 1,
    strike(farm, random) {
      const twin = machine(farm, random).twin();
      farm.twins.push(twin);
      lasting(
        'agent twice',
        2000,
        20_000,
        () => twin.start(),
        () => retire(twin),
      )(farm, random);
    },
  },
  'coordinator killed': {
    weight: 5,
    strike: (farm, random) => restartCoordinator(farm, random.between(0, 4000)),
  },
  'coordinator killed twice': {
    weight: 2,
    strike(farm, random) {
      restartCoordinator(farm, random.between(0, 300));
      farm.client.after(random.between(1, 600), () => restartCoordinator(farm, random.between(0, 2000)));
    },
  },
  'coordinator killed before it is answered': {
    weight: 4,
    strike(farm, random) {
      const afterMs = random.between(0, 2000);
      farm.eventDisk.weather.beforeAnswer = () => restartCoordinator(farm, afterMs);
    },
  },
  'log refuses': {
    weight: 2,
    strike: lasting(
      'log refuses',
      100,
      8000,
      ({ eventDisk }) => (eventDisk.weather.refuses = true),
      ({ eventDisk }) => (eventDisk.weather.refuses = false),
    ),
  },
  'log away': {
    weight: 2,
    strike: lasting(
      'log away',
      500,
      15_000,
      ({ eventDisk }) => (eventDisk.weather.away = true),
      ({ eventDisk }) => (eventDisk.weather.away = false),
    ),
  },
  'sync fails': {
    weight: 3,
    strike({ eventDisk }, random) {
      eventDisk.weather.syncFails = random.chance(0.5) ? 'kept' : 'lost';
    },
  },
  'file lost': {
    weight: 3,
    strike(farm, random) {
      const file = random.pick([...farm.poolDisk.files.keys()]);
      if (file !== undefined) farm.poolDisk.lose(file);
    },
  },
  'file rotten': {
    weight: 3,
    strike(farm, random) {
      const file = random.pick([...farm.poolDisk.files.keys()]);
      if (file !== undefined) farm.poolDisk.rot(file);
    },
  },
  'pool full': {
    weight: 2,
    strike: lasting(
      'pool full',
      500,
      15_000,
      ({ poolDisk }) => (poolDisk.weather.full = true),
      ({ poolDisk }) => (poolDisk.weather.full = false),
    ),
  },
  'upload cut': {
    weight: 2,
    strike({ poolDisk }) {
      poolDisk.weather.cutsUpload = true;
    },
  },
  'text lost': {
    weight: 1,
    strike(farm, random) {
      const recipe = random.pick(farm.graph.recipes);
      if (!recipe) return;
      const { path } = recipe.facts;
      lasting(
        'text lost',
        1000,
        20_000,
        () => farm.lostTexts.add(path),
        () => farm.lostTexts.delete(path),
      )(farm, random);
    },
  },
  'clock jumps': {
    weight: 2,
    // By up to ten days, either way: far beyond every wait.
    strike: (farm, random) => farm.time.jump(random.between(-10 * 86_400_000, 10 * 86_400_000)),
  },
  'hooks hang': {
    weight: 1,
    strike: lasting(
      'hooks hang',
      1000,
      30_000,
      ({ receivers }) => (receivers.weather.hangs = true),
      ({ receivers }) => (receivers.weather.hangs = false),
    ),
  },
  'hooks fail': {
    weight: 1,
    strike: lasting(
      'hooks fail',
      1000,
      30_000,
      ({ receivers }) => (receivers.weather.fails = true),
      ({ receivers }) => (receivers.weather.fails = false),
    ),
  },
};

const upstream = (farm: SimulatedFarm, random: Random): SimulatedUpstream =>
  random.pick(farm.upstreams) as SimulatedUpstream;

/** What befalls farms that have upstreams, beside all else. */
export const upstreamFaults: Readonly<Record<string, Fault>> = {
  'upstream away': {
    weight: 3,
    strike(farm, random) {
      const { weather } = upstream(farm, random);
      const how = random.pick(['refuses', 'silent'] as const) as 'refuses';
      lasting(
        'upstream away',
        500,
        30_000,
        () => (weather.answers = how),
        () => (weather.answers = 'well'),
      )(farm, random);
    },
  },
  'upstream lies': {
    weight: 3,
    strike(farm, random) {
      const { weather } = upstream(farm, random);
      const lie = random.pick(lies);
      lasting(
        'upstream lies',
        1000,
        30_000,
        () => (weather.lie = lie),
        () => (weather.lie = undefined),
      )(farm, random);
    },
  },
  'upstream forgets': {
    weight: 5,
    strike: (farm, random) => upstream(farm, random).forget(random),
  },
  'upstream comes back': {
    weight: 1,
    strike: (farm, random) => upstream(farm, random).restore(),
  },
};

/** What befalls farms whose agents fetch from upstreams themselves: the way there is another one than the coordinator's. */
export const directFaults: Readonly<Record<string, Fault>> = {
  'upstream away from agents': {
    weight: 1,
    strike(farm, random) {
      const { forAgents } = upstream(farm, random).weather;
      const how = random.pick(['refuses', 'silent'] as const) as 'refuses';
      lasting(
        'upstream away from agents',
        500,
        30_000,
        () => (forAgents.answers = how),
        () => (forAgents.answers = 'well'),
      )(farm, random);
    },
  },
  'upstream lies to agents': {
    weight: 1,
    strike(farm, random) {
      const { forAgents } = upstream(farm, random).weather;
      const lie = random.pick(['other bytes', 'cut'] as const);
      lasting(
        'upstream lies to agents',
        1000,
        30_000,
        () => (forAgents.lie = lie),
        () => (forAgents.lie = undefined),
      )(farm, random);
    },
  },
};

/** What befalls some farms alone, so that the others are the same farms without it. */
export const rareFaults: Readonly<Record<string, Fault>> = {
  'agent boasts': {
    weight: 1,
    strike(farm, random) {
      const one = machine(farm, random);
      lasting(
        'agent boasts',
        2000,
        40_000,
        () => (one.boasts = true),
        () => (one.boasts = false),
      )(farm, random);
    },
  },
};

export const allFaults: Readonly<Record<string, Fault>> = {
  ...faults,
  ...upstreamFaults,
  ...directFaults,
  ...rareFaults,
};

function retire(twin: Machine): void {
  twin.isOff = true;
  twin.kill();
}

/** Ends whatever lasts: from here on nothing goes wrong any more. */
export function heal(farm: SimulatedFarm): void {
  farm.lossy = 0;
  farm.weather.active.clear();
  farm.eventDisk.clear();
  Object.assign(farm.poolDisk.weather, { full: false, cutsUpload: false });
  Object.assign(farm.receivers.weather, { hangs: false, fails: false });
  farm.lostTexts.clear();
  for (const one of farm.upstreams) one.heal();
  for (const twin of farm.twins) retire(twin);
  for (const one of farm.machines) {
    one.wire.clear();
    one.disk.full = false;
    one.disk.litter = 'none';
    one.load = idleLoad;
    one.slowness = 1;
    one.lies = false;
    one.boasts = false;
    one.start();
  }
  farm.house.start();
}
