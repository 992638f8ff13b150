import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger } from '../../../cli/output/logger.ts';
import { testIo } from '../support/run-cli.ts';

describe('the log under systemd', () => {
  const lines = (inode: string, logFormat: 'json' | 'text'): string[] => {
    const { io, written } = testIo({ environment: { JOURNAL_STREAM: '8:1234' } });
    const logger = createLogger({ logLevel: 'debug', logFormat }, { ...io, errInode: () => inode });
    logger.debug('a');
    logger.info('b');
    logger.warn('c');
    logger.error('d');
    logger.fatal('e');
    return written.err.trimEnd().split('\n');
  };

  it('has the priority of each line in front of it, where standard error is the journal', () => {
    for (const format of ['json', 'text'] as const)
      assert.deepEqual(
        lines('8:1234', format).map((line) => line.slice(0, 3)),
        ['<7>', '<6>', '<4>', '<3>', '<2>'],
      );
  });
  it('has none where that goes elsewhere', () => {
    for (const line of lines('8:99', 'json')) assert.ok('time' in JSON.parse(line));
  });
});
