/**
 * Has the stacks of all errors name the sources. In the package it is loaded before all else, in each thread. Node's own `--enable-source-maps` reads
 * every map at the start, a tenth of the time that takes; this reads those that a stack needs, when it is looked at.
 */
import { inSources } from './source-places.ts';

const nodes = Error.prepareStackTrace;
Error.prepareStackTrace = (error, frames) => {
  const stack =
    nodes?.(error, frames) ??
    `${Error.prototype.toString.call(error)}${frames.map((frame) => `\n    at ${frame}`).join('')}`;
  try {
    return typeof stack === 'string' ? inSources(stack) : stack;
  } catch {
    // A map that cannot be read is no reason to hide the error.
    return stack;
  }
};
