import { agentOperators, handOver, removeAgent } from './operators/agents.ts';
import { buildOperators } from './operators/builds.ts';
import { hookOperators } from './operators/hooks.ts';
import { itemOperators } from './operators/items.ts';
import { lookOperators } from './operators/looks.ts';
import { nuisanceOperators } from './operators/nuisance.ts';
import type { Operator } from './operators/operator.ts';
import { pushOperators } from './operators/pushes.ts';
import { rootOperators } from './operators/roots.ts';
import { submissionOperators } from './operators/submissions.ts';

/** What is wanted of some farms alone, so that the others are the same farms without it. */
export const rareOperators: Readonly<Record<string, Operator>> = {
  ...pushOperators,
  ...lookOperators,
  'hand over token': handOver,
  'remove agent': removeAgent,
};

/** What somebody may want of any farm, by name. */
export const operators: Readonly<Record<string, Operator>> = {
  ...submissionOperators,
  ...buildOperators,
  ...itemOperators,
  ...rootOperators,
  ...agentOperators,
  ...hookOperators,
  ...nuisanceOperators,
};

export const allOperators: Readonly<Record<string, Operator>> = { ...operators, ...rareOperators };
