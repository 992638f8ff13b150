/**
 * What test files cost, for whoever makes them cheaper: a line each, of seconds of processor time, with those of all children that were waited
 * for, seconds of the clock, and the file. Of files that share a process it is what was spent while each was at it.
 */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** @param {string} path */
export function writeCosts(path) {
  let file = relative(process.cwd(), process.argv[1] ?? '');
  let begun = [0, 0];
  function write() {
    const now = spent();
    const [processor, clock] = now.map((seconds, at) => (seconds - begun[at]).toFixed(1));
    appendFileSync(path, `${processor} ${clock} ${file}\n`);
    begun = now;
  }
  subscribe('drover:test-file', (message) => {
    write();
    file = message.file;
  });
  process.on('exit', write);
}

/** By Linux's clock of a hundred ticks a second, as Node does not know of children. */
function spent() {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return [fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / 100, process.uptime()];
}
