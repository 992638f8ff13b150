import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { Farm } from '../support/e2e/farm.ts';
import { startStaticServer } from '../support/static-server.ts';

/** What there is after a coordinator was away. */
export interface Meanwhile extends AsyncDisposable {
  /** Of a coordinator with an upstream `near`, which has nothing. */
  readonly config: string;
  /** A submission that is set aside. */
  readonly submission: string;
}

/** An agent as odd as its name may be: what every object of a script has. */
export const quarantinedAgent = 'toString';

/**
 * What takes a watchdog or a machine that fails again and again is in the log of a coordinator that is down as if that had been: a submission that is
 * set aside, and an agent in quarantine.
 */
export async function happenMeanwhile(farm: Farm): Promise<Meanwhile> {
  const submission = '1m8aperfahjkz4xf';
  const [root = ''] = await farm.instantiate('hostile');
  const received = {
    storeDir: '/nix/store',
    rootCount: 1,
    roots: [root.replace(/^.*\//, '')],
    options: { priority: 0 },
    inputs: true,
    force: false,
    reason: 'requested',
  };
  const happened = [
    [`submission-${submission}`, 'SubmissionReceived', received],
    [`submission-${submission}`, 'SubmissionSetAside', { reason: 'stood still over <b>it</b>', stack: [] }],
    [`agent-${quarantinedAgent}`, 'AgentRegistered', { name: quarantinedAgent }],
    [`agent-${quarantinedAgent}`, 'AgentQuarantined', { until: Date.now() + 86_400_000, reason: 'a bad disk' }],
  ] as const;
  {
    await using store = await openSqliteEventStore({ dir: farm.data });
    for (const [n, [stream, type, data]] of happened.entries()) {
      const events = [{ type, version: 1, data }];
      await store.append({ id: `m${n}`, stream, expected: 'any', events, meta: { actor: 'test' }, at: Date.now() });
    }
  }
  const folder = join(farm.folder, 'near');
  await mkdir(folder);
  writeFileSync(join(folder, 'nix-cache-info'), 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n');
  const server = await startStaticServer(folder);
  const config = join(farm.folder, 'near.toml');
  const key = `near-1:${Buffer.alloc(32).toString('base64')}`;
  writeFileSync(config, `[[upstream]]\nname = "near"\nurl = "${server.url}"\npublic-keys = ["${key}"]\n`);
  return { config, submission, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
