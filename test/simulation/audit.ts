import assert from 'node:assert/strict';
import { decodeEvent } from '../../coordinator/event-codec.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { auditWants } from './wants.ts';

/** Reads a whole log and checks, position by position and without Drover's own projections, what must hold for any log. */
export async function auditLog(store: EventStore): Promise<{ events: number; attempts: number; canceled: number }> {
  const needs = new Map<string, string[]>(); // Per derivation.
  const outputs = new Map<string, Record<string, string>>();
  const present = new Map<string, readonly string[]>();
  const builds = new Map<string, { derivation: string; live: boolean; ended: boolean; attempt: number }>();
  const revisions = new Map<string, number>();
  let events = 0;
  let attempts = 0;

  const isAvailable = (path: string): boolean =>
    present.get(path)?.every((reference) => reference === path || isAvailable(reference)) ?? false;

  const makers = new Map<string, string>(); // Of each output.
  const wants = auditWants(function* (derivation) {
    for (const need of needs.get(derivation) ?? []) {
      // Of what is there but refers to what is not, that is what is waited for.
      for (const item of lackingOf(need)) {
        const maker = makers.get(item);
        if (maker !== undefined) yield maker;
      }
    }
  });
  function lackingOf(path: string, seen = new Set<string>()): string[] {
    if (seen.has(path)) return [];
    seen.add(path);
    const references = present.get(path);
    return references === undefined ? [path] : references.flatMap((reference) => lackingOf(reference, seen));
  }

  for await (const batch of store.readAll()) {
    for (const stored of batch.events) {
      events++;
      const where = `${stored.type} at ${stored.position} of ${stored.stream}`;
      assert.equal(stored.revision, (revisions.get(stored.stream) ?? -1) + 1, `I2: ${where} follows without a gap`);
      revisions.set(stored.stream, stored.revision);
      const event = decodeEvent(stored);
      assert.ok(event.known, where);
      const id = stored.stream.slice(stored.stream.indexOf('-') + 1);
      const build = builds.get(id);
      wants.add(stored.stream, event);
      switch (event.type) {
        case 'DerivationAdded': {
          const { path, inputs, sources } = event.data;
          outputs.set(path.slice(0, 32), event.data.outputs);
          for (const output of Object.values(event.data.outputs)) makers.set(output, path.slice(0, 32));
          const wanted = inputs.flatMap((input) => {
            const names = input.length > 32 ? input.slice(33).split(',') : ['out'];
            return names.map((name) => outputs.get(input.slice(0, 32))?.[name] as string);
          });
          needs.set(path.slice(0, 32), [...wanted, ...sources]);
          break;
        }
        case 'BuildSubmitted':
          builds.set(id, { derivation: event.data.derivation.slice(0, 32), live: false, ended: false, attempt: 0 });
          break;
        case 'BuildAllocated':
          assert.ok(build && !build.live && !build.ended, `I4: ${where}: one live allocation at most`);
          for (const need of needs.get(build.derivation) as string[])
            assert.ok(isAvailable(need), `I8: ${where}: ${need} is not available`);
          if (event.data.attempt !== build.attempt) attempts++;
          build.attempt = event.data.attempt;
          build.live = true;
          break;
        case 'BuildAttemptFailed':
        case 'BuildSetupFailed':
        case 'BuildReleased':
          assert.ok(build?.live && event.data.attempt === build.attempt, `I4: ${where}: of the live attempt`);
          build.live = false;
          break;
        case 'BuildSucceeded':
          assert.ok(build && !build.ended, `I4: ${where}: once`);
          build.ended = true;
          build.live = false;
          for (const [name, path] of Object.entries(outputs.get(build.derivation) ?? {})) {
            assert.equal(event.data.outputs[name], path, `I6: ${where}: the paths that the derivation determines`);
            assert.ok(present.has(path), `I6: ${where}: ${path} is in the pool`);
          }
          break;
        case 'BuildSatisfied':
          assert.ok(build && !build.live && !build.ended, `I4: ${where}: queued`);
          build.ended = true;
          for (const path of Object.values(outputs.get(build.derivation) ?? {}))
            assert.ok(isAvailable(path), `I6: ${where}: ${path} is available`);
          break;
        case 'BuildFailed':
        case 'BuildCanceled':
          assert.ok(build && !build.ended, `${where}: once`);
          build.ended = true;
          build.live = false;
          break;
        case 'StoreItemAdded':
          present.set(event.data.path, event.data.references);
          break;
        case 'StoreItemDeleted':
        case 'StoreItemMissing':
          assert.ok(present.delete(event.data.path), `${where}: only what is there goes`);
          break;
      }
    }
  }
  return { events, attempts, ...wants.end() };
}
