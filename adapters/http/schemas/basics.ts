import * as z from 'zod';

/**
 * What the schemas of answers are made of. Each of those is annotated with the type of the port it shows, so that the two cannot part; only
 * what is in a schema leaves the house.
 */
export const text = z.string();
export const texts = z.record(text, text);
export const instant = z.int().describe('milliseconds since the Unix epoch');

export const counts = <const Name extends string>(...names: readonly Name[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, z.int()])) as Record<Name, z.ZodInt>);

export const ms = z.number().describe('milliseconds');
