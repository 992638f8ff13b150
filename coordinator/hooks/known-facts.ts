import * as z from 'zod';
import { type Category, eventsByCategory, eventTypes } from '../../domain/events.ts';
import type { HookConditions } from '../../domain/hook/definition.ts';

type Condition = keyof HookConditions;

/** What events of a category can have to say, as projections/event-facts.ts finds it. */
const factsOfCategory: Readonly<Record<Category, readonly Condition[]>> = {
  build: ['tags', 'systems', 'name', 'classes', 'agents'],
  derivation: ['systems', 'name'],
  item: ['systems', 'name'],
  submission: ['tags'],
  agent: ['agents'],
  token: ['agents'],
  hook: [],
  audit: [],
  root: [],
  history: [],
  memory: [],
};

const categoryOf: ReadonlyMap<string, Category> = new Map(
  Object.entries(eventsByCategory).flatMap(([category, types]) =>
    types.map(({ type }): [string, Category] => [type, category as Category]),
  ),
);

/** Whether some event of the type can meet a condition of the kind. */
function canMeet(type: string, condition: Condition): boolean {
  const category = categoryOf.get(type);
  if (category === undefined || !factsOfCategory[category].includes(condition)) return false;
  const schema = eventTypes.get(type)?.schema;
  if (!(schema instanceof z.ZodObject)) return true;
  if (condition === 'classes') return 'class' in schema.shape;
  // The agent of an attempt is known by its number.
  if (condition === 'agents' && category !== 'agent') return 'agent' in schema.shape || 'attempt' in schema.shape;
  return true;
}

/** What is wrong with conditions that no event of these types can meet: the hook would get nothing, and never say so. */
export function neverMet(types: readonly string[], where: HookConditions | undefined): string | undefined {
  const given = Object.entries(where ?? {}).filter(([, value]) => value !== undefined);
  const conditions = given
    .map(([name]) => name as Condition)
    .filter((name) => name !== 'tags' || Object.keys(where?.tags ?? {}).length > 0);
  if (types.some((type) => conditions.every((condition) => canMeet(type, condition)))) return undefined;
  const alone = conditions.find((condition) => !types.some((type) => canMeet(type, condition)));
  const got = alone ?? conditions.join(' and ');
  return `where: expected conditions that its events have something to say of, got ${got}: no ${types.join(', ')} does, so that the hook would get nothing`;
}
