import { parseArgs } from 'node:util';

/** What `npm run demo -- …` is asked for. */
export type DemoOptions =
  | { readonly task: 'run'; readonly keep: boolean; readonly nats: boolean }
  | { readonly task: 'guix' }
  | { readonly task: 'stop'; readonly folder: string }
  | { readonly task: 'help' };

export const usage = `npm run demo                 build a graph of real derivations on a farm of two agents, fetch and compare the outputs
npm run demo -- --keep       the same, and leave the farm up, with builds that come, wait, fail and end: until Ctrl-C on a terminal, otherwise until --stop
npm run demo -- --nats       the same with the log on NATS JetStream, on a nats-server of the demo's own
npm run demo -- --guix       an agent of Guix and one of Nix under one coordinator, and a client of each that fetches what its agent built
npm run demo -- --stop DIR   stop a farm that was left up, and remove its folder
`;

/** Throws a `TypeError` that names the argument that is not known. */
export function readOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keep: { type: 'boolean' },
      nats: { type: 'boolean' },
      guix: { type: 'boolean' },
      stop: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return { task: 'help' };
  if (values.stop !== undefined) return { task: 'stop', folder: values.stop };
  if (values.guix) {
    if (values.keep || values.nats) throw new TypeError('expected --guix alone, got --keep or --nats with it');
    return { task: 'guix' };
  }
  return { task: 'run', keep: values.keep === true, nats: values.nats === true };
}
