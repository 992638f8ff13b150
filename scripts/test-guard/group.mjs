/**
 * Test files that share a process: each is a suite of its name, with its own hooks, and runs after the one before. The guard hears which of them
 * is at it; what a process that ends too early leaves undone is named.
 */
import { channel } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';

/** Says `{ file, left }`: which is at it, and the names of those that are not done after it. */
const begun = channel('drover:test-file');

/** @param {readonly (readonly [name: string, url: string])[]} files */
export async function runGroup(files) {
  const undone = new Set(files.map(([name]) => name));
  process.once('exit', (code) => {
    if (undone.size === 0) return;
    process.exitCode = 1;
    writeSync(2, `The process ended, with ${code}, before the end of ${[...undone].join(', ')}\n`);
  });
  const begin = (file) => begun.publish({ file, left: [...undone].filter((name) => name !== file) });
  for (const [name, url] of files) {
    // One is loaded after the other: what two of them import, and wait for, would put the tests of both into the suite of the first.
    await new Promise((loaded) => {
      suite(name, async () => {
        before(() => begin(name));
        after(() => undone.delete(name));
        try {
          await import(url);
        } catch (error) {
          // A suite that fails is not counted, a test is.
          test('is loaded', () => {
            throw error;
          });
        }
        loaded();
      });
    });
  }
}
