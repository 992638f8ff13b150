/**
 * Has Node's test runner know whose an error is that nobody has caught, and a test within a test, without following each promise. Its own way is a
 * hook at the making and the end of every asynchronous resource, which takes a fifth of the processor time of tests, and makes more garbage of
 * each promise. A store that goes with the asynchronous context, entered where a test begins, says the same for nothing.
 *
 * It stands in for what the runner takes of `node:async_hooks` as it is loaded, here: before any test, and for the runner alone.
 */
import hooks, { AsyncLocalStorage } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';

const { createHook, executionAsyncId, executionAsyncResource } = hooks;

/** Tells the runner of a test, by the asynchronous id that it is then known by. */
let tell;
/** The id of the test that made what goes on. */
const whose = new AsyncLocalStorage();

Object.assign(hooks, {
  createHook({ init }) {
    tell = init;
    return { enable() {}, disable() {} };
  },
  executionAsyncId: () => whose.getStore() ?? executionAsyncId(),
});
await import('node:test');
Object.assign(hooks, { createHook, executionAsyncId });

// Where its function begins, a test is the resource that runs.
channel('tracing:node.test:start').bindStore(whose, () => {
  const id = executionAsyncId();
  tell(id, 'Test', 0, executionAsyncResource());
  return id;
});
