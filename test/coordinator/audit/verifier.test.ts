import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { createChain } from '../../../coordinator/audit/chain.ts';
import { checkNote } from '../../../coordinator/audit/check-note.ts';
import { commitOfStored, commitText } from '../../../coordinator/audit/commit-text.ts';
import { createVerifier, type Trust } from '../../../coordinator/audit/verifier.ts';
import { copyLog } from '../../../coordinator/log/log-copy.ts';
import { recover } from '../../../coordinator/log/recovery.ts';
import type { EventStore, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { checkpointText } from '../../../domain/audit/checkpoint.ts';
import { growTree, leafHash } from '../../../domain/audit/merkle-tree.ts';
import { generateNoteKey, parseNoteKey, parseNoteSecret, signNote } from '../../../domain/audit/signed-note.ts';
import { hookDefaults } from '../../../domain/hook/definition.ts';
import { admin, derivation, openTestCoordinator } from '../../support/coordinator.ts';

const pair = generateNoteKey('farm.example/drover', new Uint8Array(32).fill(7));
const auditKey = parseNoteSecret(pair.secret);
const trusted: Trust = { keys: [parseNoteKey(pair.public)], held: [] };

async function eventsOf(store: EventStore): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const { events } of store.readAll({ json: 'beside' })) all.push(...events);
  return all;
}
/** The log of a farm that was started three times, with a checkpoint at two of the stops. */
async function farmLog(before?: EventStore, firstSeed = 1): Promise<{ store: EventStore; notes: string[] }> {
  const store = before ?? openMemoryEventStore();
  const facts = [derivation(1), derivation(2, [1])];
  const notes: string[] = [];
  for (const seed of [firstSeed, firstSeed + 1, firstSeed + 2]) {
    const farm = await openTestCoordinator(facts, { store, auditKey, seed });
    await farm.connect('a');
    await farm.submit(2);
    for (const given of farm.allocations())
      await farm.succeed('a', given, Number(given.derivation === facts[1]?.path) + 1);
    if (seed !== firstSeed + 1) await farm.finish();
    farm.dispose();
    const note = farm.application.checkpoint();
    if (note !== undefined) notes.push(note);
  }
  return { store, notes };
}
function verify(events: readonly StoredEvent[], trust: Trust = trusted) {
  const verifier = createVerifier(trust);
  for (const event of events) if (!verifier.add(event)) break;
  return verifier.end();
}
function held(note: string): Trust {
  const checked = checkNote(note, trusted.keys);
  assert.ok('checkpoint' in checked, JSON.stringify(checked));
  return { ...trusted, held: [checked.checkpoint] };
}
/** The commits of a log, as lists of their events. */
function commitsOf(events: readonly StoredEvent[]): StoredEvent[][] {
  return [...Map.groupBy(events, ({ commit, stream }) => `${stream} ${commit}`).values()];
}
/** Gives every commit the hash that it would need, as a forger does who knows how. */
function linkAnew(commits: readonly StoredEvent[][]): StoredEvent[] {
  const chain = createChain();
  return commits.flatMap((events) => {
    const { commit: id, stream, at, meta, revision } = commitOfStored(events);
    const { previousHash } = chain.link({ id, stream, at, meta, expected: 'any', events }, revision);
    return events.map((event) => ({ ...event, previousHash: previousHash as string }));
  });
}

describe('the chain of a log', () => {
  it('goes on over restarts and copies, and checkpoints are signed at stops', async () => {
    const { store, notes } = await farmLog();
    const events = await eventsOf(store);
    const found = verify(events);
    assert.equal(found.fault, undefined);
    assert.equal(found.linkedFrom, events[0]?.position);
    assert.equal(found.checkpoints, 2);
    assert.equal(found.signed?.by, 'farm.example/drover');
    assert.equal(found.commits, commitsOf(events).length);
    // The last commit is the checkpoint of all before it.
    assert.deepEqual([found.signed?.commits, events.at(-1)?.type], [found.commits - 1, 'LogCheckpointed']);
    const copy = openMemoryEventStore();
    await copyLog(store, copy);
    for (const note of notes) assert.equal(verify(await eventsOf(copy), held(note)).fault, undefined);
  });
  it('is taken up from the newest checkpoint as from the first commit', async () => {
    const { store } = await farmLog();
    const { chain } = await recover(store, '/nix/store');
    // Another way to the same tree: no checkpoint is asked for.
    const none = { ...store, read: () => (async function* () {})() };
    assert.deepEqual(chain, (await recover(none, '/nix/store')).chain);
    assert.equal(chain.size, commitsOf(await eventsOf(store)).length);
  });
  it('is taken up from a log in which somebody wrote no hashes, for the verifier to find', async () => {
    const { store } = await farmLog();
    const spoilt = openMemoryEventStore();
    for (const events of commitsOf(await eventsOf(store)).slice(0, -1)) {
      const { commit: id, stream, at, meta } = commitOfStored(events);
      await spoilt.append({ id, stream, at, meta, previousHash: 'none', expected: 'any', events });
    }
    const { chain } = await recover(spoilt, '/nix/store');
    assert.equal(chain.size, commitsOf(await eventsOf(spoilt)).length);
    assert.ok(verify(await eventsOf(spoilt)).fault);
  });
  it('begins where an older version has ended, and the tree has what is before, too', async () => {
    const { store: newer } = await farmLog();
    const store = openMemoryEventStore();
    const old = (await eventsOf(newer)).filter(
      ({ stream, commit }) => commit.startsWith('e1.') && stream !== 'audit-log',
    );
    for (const events of commitsOf(old)) {
      const { commit: id, stream, at, meta } = commitOfStored(events);
      await store.append({ id, stream, at, meta, expected: 'any', events });
    }
    await farmLog(store, 4);
    const events = await eventsOf(store);
    const { linkedFrom, fault, checkpoints } = verify(events);
    assert.equal(fault, undefined);
    assert.equal(linkedFrom, events[old.length]?.position);
    assert.ok(checkpoints > 0);
    // The oldest commit is not linked to, and yet covered.
    const [first, ...rest] = events as [StoredEvent, ...StoredEvent[]];
    assert.equal(verify([{ ...first, at: first.at + 1 }, ...rest]).fault?.kind, 'forged');
  });
  it('is signed once some time has passed, and never again while nothing happens', async () => {
    const farm = await openTestCoordinator([], { auditKey });
    await farm.connect('a');
    assert.equal(farm.application.checkpoint(), undefined);
    await farm.pass(599);
    assert.equal(farm.application.checkpoint(), undefined);
    await farm.pass(2);
    const note = farm.application.checkpoint() as string;
    assert.equal(verify(await eventsOf(farm.store), held(note)).fault, undefined);
    await farm.pass(10_000);
    await farm.finish();
    assert.deepEqual(await farm.types('audit-log'), ['LogCheckpointed']);
    assert.equal(farm.application.checkpoint(), note);
    farm.dispose();
  });
  it('is signed at a stop also where only places of hooks have come since', async () => {
    const farm = await openTestCoordinator([], { auditKey });
    const target = { kind: 'command', run: 'true' } as const;
    await farm.application.addHook(admin, 'h', { definition: { ...hookDefaults, on: ['AgentPaused'], target } });
    await farm.pass(601);
    await farm.finish();
    farm.dispose();
    const types = (await eventsOf(farm.store)).map(({ type }) => type);
    assert.deepEqual(types.slice(types.indexOf('LogCheckpointed')), [
      'LogCheckpointed',
      'HookCheckpointed',
      'LogCheckpointed',
    ]);
  });
  it('without a key carries hashes and no checkpoints', async () => {
    const farm = await openTestCoordinator([]);
    await farm.connect('a');
    await farm.finish();
    farm.dispose();
    const { fault, checkpoints, linkedFrom, signed } = verify(await eventsOf(farm.store));
    assert.deepEqual([fault, checkpoints, signed], [undefined, 0, undefined]);
    assert.ok(linkedFrom);
  });
});

describe('verifying a log', () => {
  /** Every commit but the last, which nothing follows, is tampered with in each way. */
  const ways: Record<string, (commits: StoredEvent[][], at: number) => { log: StoredEvent[]; bad: StoredEvent }> = {
    changed(commits, at) {
      const [first, ...more] = commits[at] as [StoredEvent, ...StoredEvent[]];
      const changed = [{ ...first, json: `${first.json} ` }, ...more];
      return { log: commits.with(at, changed).flat(), bad: first };
    },
    'changed, in what is stored beside the data': (commits, at) => {
      const [first, ...more] = commits[at] as [StoredEvent, ...StoredEvent[]];
      const changed = [first, ...more].map((event) => ({ ...event, meta: { ...event.meta, actor: 'nobody' } }));
      return { log: commits.with(at, changed).flat(), bad: first };
    },
    'changed, in the hash that it carries': (commits, at) => {
      const [first] = commits[at] as [StoredEvent];
      const changed = commits[at]?.map((event) => ({ ...event, previousHash: leafHash('x') }));
      return { log: commits.with(at, changed as StoredEvent[]).flat(), bad: first };
    },
    removed(commits, at) {
      return { log: commits.toSpliced(at, 1).flat(), bad: commits[at + 1]?.[0] as StoredEvent };
    },
    'inserted, as a copy': (commits, at) => {
      const copy = (commits[at] as StoredEvent[]).map((event) => ({ ...event, position: `${event.position}+` }));
      return { log: commits.toSpliced(at + 1, 0, copy).flat(), bad: copy[0] as StoredEvent };
    },
    'inserted, and linked to what is before it': (commits, at) => {
      const [next] = commits[at + 1] as [StoredEvent];
      const { previousHash } = next;
      const made = { ...next, commit: 'made.1', position: `${next.position}-`, previousHash: previousHash as string };
      return { log: commits.toSpliced(at + 1, 0, [made]).flat(), bad: made };
    },
    'inserted, with a hash of nothing': (commits, at) => {
      const [next] = commits[at + 1] as [StoredEvent];
      const previousHash = leafHash('x');
      const made = { ...next, commit: 'made.1', position: `${next.position}-`, previousHash };
      return { log: commits.toSpliced(at + 1, 0, [made]).flat(), bad: made };
    },
    reordered(commits, at) {
      const [one, two] = [commits[at] as StoredEvent[], commits[at + 1] as StoredEvent[]];
      return { log: commits.toSpliced(at, 2, two, one).flat(), bad: two[0] as StoredEvent };
    },
    unlinked(commits, at) {
      const [next] = commits[at + 1] as [StoredEvent];
      const { previousHash: _, ...made } = { ...next, commit: 'made.1', position: `${next.position}-` };
      return { log: commits.toSpliced(at + 1, 0, [made]).flat(), bad: made };
    },
  };
  for (const [way, tamper] of Object.entries(ways))
    it(`finds an event that was ${way}, at whatever place, and names it`, async () => {
      const { store } = await farmLog();
      const commits = commitsOf(await eventsOf(store));
      // The last two are the end of the log: what was removed there is gone without a trace but in a checkpoint.
      for (let at = 0; at < commits.length - 2; at++) {
        const { log, bad } = tamper(commits, at);
        const { fault } = verify(log);
        assert.ok(fault, `${way} at ${at}`);
        const runs = commits.slice(at - 1, at + 2).map(([event]) => event?.commit.split('.')[0]);
        const isBorder = at > 0 && new Set([runs[0], runs[2]]).size === 2;
        // Between two runs of a coordinator, what is gone cannot be told from a change of what was before it.
        const expected = way === 'removed' && isBorder ? ['changed', commits[at - 1]?.[0]] : [way.split(',')[0], bad];
        const [kind, place] = expected as [string, StoredEvent];
        assert.deepEqual([fault.kind, fault.position], [kind, place.position], `${at}: ${fault.message}`);
      }
    });

  it('finds an event that was hidden in a name of another, so that no hash changed', async () => {
    const chain = createChain();
    const at = { stream: 'build-x', at: 1, meta: { actor: 'coordinator', correlation: 's' } } as const;
    const events = ['BuildFailed', 'BuildCanceled'].map((type) => ({ type, version: 1, data: { reason: 'b' } }));
    const { previousHash } = chain.link({ id: 'c.1', ...at, expected: 'any', events }, 0);
    const written = events.map((event, n): StoredEvent => {
      const json = JSON.stringify(event.data);
      return {
        ...event,
        ...at,
        json,
        commit: 'c.1',
        revision: n,
        position: `${n}`,
        previousHash: previousHash as string,
      };
    });
    assert.equal(verify(written).fault, undefined);
    const [one, two] = written as [StoredEvent, StoredEvent];
    const hidden = `event ${one.type} ${one.version} ${one.json}`;
    const ways: Record<string, StoredEvent> = {
      type: { ...two, revision: 0, type: `${hidden.slice('event '.length)}\nevent ${two.type}` },
      actor: { ...two, revision: 0, meta: { actor: `coordinator\ncorrelation s\n${hidden}` } },
      correlation: { ...two, revision: 0, meta: { ...at.meta, correlation: `s\n${hidden}` } },
      data: { ...two, revision: 0, json: `${two.json}\n${hidden}` },
      version: { ...two, revision: 0, version: `1 {}\nevent ${two.type} 1` as unknown as number },
      revision: { ...two, revision: '0\nat 1' as unknown as number },
    };
    const hash = (event: readonly StoredEvent[]) => leafHash(commitText(commitOfStored(event)));
    for (const way of ['type', 'actor', 'correlation'])
      assert.equal(hash([ways[way] as StoredEvent]), hash(written), way);
    for (const [way, event] of Object.entries(ways)) {
      const { fault } = verify([event]);
      assert.equal(fault?.kind, 'changed', way);
      assert.match(fault.message, /could hide something/);
    }
  });
  it('finds that the end of the log is gone, with a checkpoint that the caller holds', async () => {
    const { store, notes } = await farmLog();
    const commits = commitsOf(await eventsOf(store));
    const cut = commits.slice(0, -3).flat();
    assert.equal(verify(cut).fault, undefined);
    const { fault } = verify(cut, held(notes.at(-1) as string));
    assert.equal(fault?.kind, 'truncated');
    assert.match(fault.message, new RegExp(`ends after ${commits.length - 3} commits .* covers ${commits.length - 1}`));
    assert.equal(verify([], held(notes[0] as string)).fault?.kind, 'truncated');
  });
  it('finds a log that was written anew from a place on, by its own checkpoints and by one that the caller holds', async () => {
    const { store, notes } = await farmLog();
    const commits = commitsOf(await eventsOf(store));
    const at = 4;
    const [first, ...more] = commits[at] as [StoredEvent, ...StoredEvent[]];
    const forged = linkAnew(commits.with(at, [{ ...first, at: first.at + 1 }, ...more]));
    const { fault } = verify(forged);
    assert.equal(fault?.kind, 'forged');
    assert.equal(fault.position, forged.find(({ type }) => type === 'LogCheckpointed')?.position);
    // Without its checkpoints, nothing in the log itself tells.
    const bare = linkAnew(
      commits
        .with(at, [{ ...first, at: first.at + 1 }, ...more])
        .filter(([event]) => event?.type !== 'LogCheckpointed'),
    );
    assert.equal(verify(bare).fault, undefined);
    assert.equal(verify(bare, held(notes[0] as string)).fault?.kind, 'forged');
    // Signed anew, by whoever forged it.
    const other = parseNoteSecret(generateNoteKey('farm.example/drover', new Uint8Array(32).fill(8)).secret);
    const tree = growTree();
    const signedAnew = commits.map(([event, ...rest]) => {
      if (event?.type !== 'LogCheckpointed') return [event as StoredEvent, ...rest];
      const data = {
        ...(event.data as object),
        note: signNote(checkpointText({ origin: other.name, size: 1, root: tree.root() }), other),
      };
      return [{ ...event, data, json: JSON.stringify(data) }];
    });
    const refused = verify(linkAnew(signedAnew)).fault;
    assert.equal(refused?.kind, 'signature');
    assert.match(refused.message, /signed by farm\.example\/drover\+.{8}, expected farm\.example\/drover\+/);
  });
});
