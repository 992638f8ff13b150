import type { AgentEvent } from '../../domain/agent/events.ts';
import type { BuildEvent } from '../../domain/build/events.ts';
import type { BuildRecord } from '../../projections/builds.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import type { Span } from '../../projections/timeline.ts';
import { applying } from './applying.ts';
import { fakeBase, fakeSha256 } from './paths.ts';

/** A farm whose events happen when the test says; derivation n makes item n. */
export interface TimedFarm {
  readonly farm: Farm;
  readonly history: readonly Parameters<Farm['apply']>[];
  /** What comes next happens then, milliseconds since the Unix epoch. */
  at(time: number): TimedFarm;
  /** `sources` are numbers of items that nothing makes. */
  derivation(n: number, inputs?: readonly number[], options?: { system?: string; sources?: readonly number[] }): void;
  submitted(n: number, reason?: 'requested' | 'input'): Extract<BuildEvent, { type: 'BuildSubmitted' }>['data'];
  build(id: string, event: BuildEvent): void;
  add(n: number): void;
  remove(n: number): void;
  isThere(n: number): boolean;
  item(n: number): number;
  agent<Type extends AgentEvent['type']>(
    name: string,
    type: Type,
    data: Extract<AgentEvent, { type: Type }>['data'],
  ): void;
  connect(name: string, systems?: string[]): void;
  spans(id: string, now: number): readonly Span[];
}

const drvPath = (n: number): string => fakeBase('d', n, '.drv');
const itemPath = (n: number): string => fakeBase('i', n);

export function createTimedFarm(): TimedFarm {
  const farm = createFarm();
  const history: Parameters<Farm['apply']>[] = [];
  let clock = 0;

  const applied = applying(farm, () => clock);
  const apply = (...event: Parameters<typeof applied>): void => void history.push(applied(...event));

  const self: TimedFarm = {
    farm,
    history,
    at(time) {
      clock = time;
      return self;
    },
    derivation(n, inputs = [], { system = 'x86_64-linux', sources = [] } = {}) {
      const data = {
        path: drvPath(n),
        system,
        outputs: { out: itemPath(n) },
        inputs: inputs.map((input) => drvPath(input).slice(0, 32)),
        sources: sources.map(itemPath),
      };
      apply('derivation', data.path.slice(0, 32), { type: 'DerivationAdded', data });
    },
    submitted: (n, reason = 'requested') => ({
      derivation: drvPath(n),
      submission: 's',
      reason,
      options: { priority: 0 },
    }),
    build: (id, event) => apply('build', id, event),
    add(n) {
      const path = itemPath(n);
      const file = { hash: fakeSha256(n), size: 1, compression: 'zstd' as const };
      const data = { path, narHash: fakeSha256(n), narSize: 1, references: [], file, signatures: [] };
      apply('item', path.slice(0, 32), { type: 'StoreItemAdded', data });
    },
    remove(n) {
      const path = itemPath(n);
      apply('item', path.slice(0, 32), { type: 'StoreItemDeleted', data: { path, reason: 'test' } });
    },
    isThere(n) {
      const item = farm.graph.itemOf(itemPath(n));
      return item !== undefined && farm.availability.isPresent(item);
    },
    item: (n) => farm.graph.itemOf(itemPath(n)) as number,
    agent: (name, type, data) => apply('agent', name, { type, data } as AgentEvent),
    connect(name, systems = ['x86_64-linux']) {
      // Without one it takes nothing.
      const issued = { name, scope: 'agent' as const, hash: fakeSha256(0), agent: name };
      if (farm.tokens.validOf(name).size === 0) apply('token', name, { type: 'TokenIssued', data: issued });
      const abilities = { systems, features: [], mandatoryFeatures: [], slots: 1 };
      apply('agent', name, { type: 'AgentConnected', data: { abilities, version: '1', builder: 'nix' } });
    },
    spans(id, now) {
      const build = farm.queue.build(id) as BuildRecord;
      return farm.timeline.spans(build, farm.graph.jobClass(build.drv), now);
    },
  };
  return self;
}
