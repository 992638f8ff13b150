import type { DerivationAdded } from '../../domain/derivation/events.ts';
import { hashPartLength } from '../../domain/store/store-path.ts';
import type { Tables } from './tables.ts';

/** Its inputs are left out: nothing that reads the views asks for them, and they are most of the event. */
export const addDerivation =
  'INSERT OR IGNORE INTO derivations (hash, path, name, system, outputs) VALUES (?1, ?2, ?3, ?4, ?5)';
/** Where a build came before it. */
export const completeDerivation = 'UPDATE derivations SET system = ?2, outputs = ?3 WHERE hash = ?1';

/** Where a build came before its derivation; the system and the outputs are not known then. */
export const noteDerivation = 'INSERT OR IGNORE INTO derivations (hash, path, name) VALUES (?1, ?2, ?3)';

export type DerivationData = Pick<DerivationAdded['data'], 'path' | 'system' | 'outputs'>;

export function writeDerivation(tables: Tables, { path, system, outputs }: DerivationData): void {
  const hash = hashPart(path);
  const text = JSON.stringify(outputs);
  if (tables.run(addDerivation, [hash, path, derivationName(path), system, text]) > 0) return;
  tables.run(completeDerivation, [hash, system, text]);
}

export function hashPart(base: string): string {
  return base.slice(0, hashPartLength);
}

/** The name in `<hash>-<name>.drv`. */
export function derivationName(base: string): string {
  return base.slice(hashPartLength + 1, base.endsWith('.drv') ? -4 : undefined);
}
