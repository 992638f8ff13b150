import type { DerivationAdded } from '../../domain/derivation/events.ts';
import { hashPartLength } from '../../domain/store/store-path.ts';
import type { Write } from './write.ts';

/** Its inputs are left out: nothing that reads the views asks for them, and they are most of the event. */
export const addDerivation = `
INSERT INTO derivations (hash, path, name, system, outputs) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (hash) DO UPDATE SET system = excluded.system, outputs = excluded.outputs`;

/** Where a build came before its derivation; the system and the outputs are not known then. */
export const noteDerivation = 'INSERT OR IGNORE INTO derivations (hash, path, name) VALUES (?1, ?2, ?3)';

export function derivationWrites({ data }: DerivationAdded): readonly Write[] {
  const { path, system, outputs } = data;
  const values = [hashPart(path), path, derivationName(path), system, JSON.stringify(outputs)];
  return [{ sql: addDerivation, values }];
}

export function hashPart(base: string): string {
  return base.slice(0, hashPartLength);
}

/** The name in `<hash>-<name>.drv`. */
export function derivationName(base: string): string {
  return base.slice(hashPartLength + 1, base.endsWith('.drv') ? -4 : undefined);
}
