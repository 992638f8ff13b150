import { agentOperators } from './operators/agents.ts';
import { buildOperators } from './operators/builds.ts';
import { hookOperators } from './operators/hooks.ts';
import { itemOperators } from './operators/items.ts';
import { nuisanceOperators } from './operators/nuisance.ts';
import type { Operator } from './operators/operator.ts';
import { rootOperators } from './operators/roots.ts';
import { submissionOperators } from './operators/submissions.ts';

/** All that somebody may want of the farm, by name. */
export const operators: Readonly<Record<string, Operator>> = {
  ...submissionOperators,
  ...buildOperators,
  ...itemOperators,
  ...rootOperators,
  ...agentOperators,
  ...hookOperators,
  ...nuisanceOperators,
};
