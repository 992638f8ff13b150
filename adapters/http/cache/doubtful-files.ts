import type { FastifyBaseLogger } from 'fastify';
import type { HttpContext } from '../context.ts';

type How = Parameters<HttpContext['application']['doubtItem']>[1];

/** Has the application look at the file of an item that is in doubt. Many may come upon the same one at once; it is told once. */
export type DoubtFile = (base: string, how: How, logger: FastifyBaseLogger) => Promise<void>;

export function createDoubtfulFiles(application: Pick<HttpContext['application'], 'doubtItem'>): DoubtFile {
  const underWay = new Map<string, Promise<void>>();
  return async (base, how, logger) => {
    const key = `${how} ${base}`;
    let report = underWay.get(key);
    if (report === undefined) {
      if (how !== 'recent') logger.error({ item: base }, 'the file of a store item is not as it should be');
      report = application.doubtItem(base, how).finally(() => underWay.delete(key));
      underWay.set(key, report);
    }
    await report;
  };
}
