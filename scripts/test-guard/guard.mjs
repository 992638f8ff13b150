/**
 * Loaded into every test process (see scripts/test.ts): has a thread end it where it hangs. Node's own limit of time is a timer of the very
 * event loop that does not turn, and holds for single tests, not for what keeps a file from ending after them.
 *
 * Plain JavaScript, as is its thread: each test file pays for it, 40 ms of processor time; stripping types in the thread would be twice that.
 */
import { subscribe } from 'node:diagnostics_channel';
import { relative } from 'node:path';
import { isMainThread, Worker } from 'node:worker_threads';

/** Shorter ones are for its own test. */
const blockedSeconds = Number(process.env.DROVER_TEST_BLOCKED_SECONDS ?? 300);
const fileSeconds = Number(process.env.DROVER_TEST_FILE_SECONDS ?? 900);

const { DROVER_TEST_STRIPPED: stripped } = process.env;
if (stripped !== undefined) (await import('./stripped.mjs')).loadStripped(stripped);

/** The runner of all files, and worker threads, load it too; it is for the processes of files, and what they fork. */
if (isMainThread && process.env.NODE_TEST_CONTEXT !== undefined) {
  await import('./whose-error.mjs');
  const thread = new Worker(new URL('thread.mjs', import.meta.url), {
    workerData: { file: relative(process.cwd(), process.argv[1] ?? ''), blockedSeconds, fileSeconds },
    name: 'test-guard',
    execArgv: [],
  });
  thread.on('message', () => thread.postMessage({ keptBy: process.getActiveResourcesInfo() }));
  // Node publishes it of every test and suite, its file as a whole included.
  subscribe('tracing:node.test:start', ({ name }) => thread.postMessage({ begun: name }));
  subscribe('tracing:node.test:end', ({ name }) => thread.postMessage({ ended: name }));
  // Of files that share a process, see group.mjs.
  subscribe('drover:test-file', (message) => thread.postMessage(message));
  thread.unref();

  const { DROVER_TEST_COSTS: costs } = process.env;
  if (costs !== undefined) (await import('./costs.mjs')).writeCosts(costs);
}
