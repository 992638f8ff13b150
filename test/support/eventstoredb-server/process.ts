import { type DoubleOptions, startEventStoreDouble } from './server.ts';

/** Doubles in a process of their own, to be killed: each message opens one with these options, its URL is the answer. */
process.on('message', (options: DoubleOptions) => {
  void startEventStoreDouble(options).then(({ url }) => process.send?.(url));
});
process.on('disconnect', () => process.exit());
