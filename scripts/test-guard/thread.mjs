/**
 * The thread of the guard: it asks the main thread now and then, and ends the process where that gives no answer, or no end comes.
 * What ends it is loaded when it is needed.
 */
import { parentPort, workerData } from 'node:worker_threads';

/** A machine that was suspended misses one look, not all. */
const looksInARow = 10;
/** How long the main thread may take to say what it waits for, in milliseconds. */
const answerMs = 10_000;

const { blockedSeconds, fileSeconds } = workerData;
let { file } = workerData;
/** Files that share the process and are not done. */
let left = [];
/** Names of the tests that run. */
const running = [];
let unanswered = 0;
/** Whoever waits for what keeps the main thread from its end. */
let hear = () => {};

parentPort.on('message', (message) => {
  if ('begun' in message) running.push(message.begun);
  else if ('ended' in message) running.splice(running.lastIndexOf(message.ended), 1);
  else if ('file' in message) {
    file = message.file;
    left = message.left;
    whole.refresh();
  } else {
    unanswered = 0;
    hear(message.keptBy);
  }
});

const looks = setInterval(look, (blockedSeconds * 1000) / looksInARow);
const whole = setTimeout(overdue, fileSeconds * 1000);

async function look() {
  if (unanswered++ < looksInARow) return parentPort.postMessage('turn');
  stopLooking();
  // A clock, not processor time: a test may also wait for a process that does not end.
  const { endBlocked } = await import('./end.ts');
  await endBlocked({ what: `${file} stood still for ${blockedSeconds} s`, running, left });
}

async function overdue() {
  stopLooking();
  const keptBy = await new Promise((resolve) => {
    hear = resolve;
    setTimeout(resolve, answerMs, ['(gave no answer)']);
    parentPort.postMessage('turn');
  });
  const { end } = await import('./end.ts');
  const more = [`kept by ${keptBy.join(', ') || 'nothing that Node knows of'}`];
  end({ what: `${file} did not end in ${fileSeconds} s`, running, left, more });
}

function stopLooking() {
  clearInterval(looks);
  clearTimeout(whole);
}
