import type { FastifyBaseLogger } from 'fastify';
import { systemCode } from '../../pool/filesystem/system-error.ts';
import { isExhausted } from '../../runtime/open-files.ts';
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

/** The same beside the answer. @param item `undefined`: whatever the file is of, nobody has it any more */
export function doubtBeside(
  doubtFile: DoubtFile,
  item: { readonly path: string } | undefined,
  how: 'all' | 'recent',
  logger: FastifyBaseLogger,
): void {
  if (item === undefined) return;
  doubtFile(item.path, how, logger).catch((error: Error) => logger.error({ err: error }, 'could not check a file'));
}

/** Whether a read failed for the file's sake; a reader that goes away ends one, too. */
export function isFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // Errors of the system have codes such as EIO, those of streams such as ERR_STREAM_PREMATURE_CLOSE.
  return error.name === 'FileDamaged' || (!isExhausted(error) && /^E[A-Z0-9]+$/.test(systemCode(error)));
}
