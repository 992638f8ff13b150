import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noNatsServer } from '../support/nats-server.ts';
import { noNix } from '../support/nix-store.ts';
import { torture } from './torture.ts';

/** All are killed, each agent too, one of them twice, two at once, and one stands still; more of it with `npm run torture`. */
const run = {
  seed: 78_791,
  rounds: 7,
  agents: 2,
  writerLease: 5,
  restEvery: 7,
  blobBytes: 1024 * 1024,
  stallMs: 240_000,
};

test('seven times somebody is killed in the middle of work: nothing is lost, and everything comes to its end', {
  skip: noNix,
}, async (context) => {
  const engine = noNatsServer ? 'sqlite' : 'nats';
  const figures = await torture({ ...run, engine, say: (line) => context.diagnostic(line) });
  context.diagnostic(JSON.stringify(figures));
  assert.ok((figures.builds.succeeded ?? 0) > 0, 'builds succeed');
  assert.ok(figures.promises > 0, 'clients are told something');
});
