import type { FastifyBaseLogger } from 'fastify';
import type { HttpContext } from '../context.ts';

/**
 * Tells the application of files that should be there and are not. Many may ask for the same one at once; it is told once.
 */
export function createMissingFiles(application: Pick<HttpContext['application'], 'reportMissing'>) {
  const underWay = new Map<string, Promise<void>>();
  return async (base: string, logger: FastifyBaseLogger): Promise<void> => {
    let report = underWay.get(base);
    if (report === undefined) {
      logger.error({ item: base }, 'the pool lacks the file of a store item');
      report = application.reportMissing(base, 'the file is not in the pool').finally(() => underWay.delete(base));
      underWay.set(base, report);
    }
    await report;
  };
}
export type ReportMissing = ReturnType<typeof createMissingFiles>;
