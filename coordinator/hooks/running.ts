import type { HookCommand } from '../../domain/hook/decide.ts';
import type { HookPlace } from '../../domain/hook/definition.ts';
import type { HookRecord } from '../../projections/hooks.ts';
import type { Meta } from '../ports/event-store.ts';
import type { HookRunner } from './runner.ts';
import type { StoredFacts } from './stored-facts.ts';

/** What wishes need of the hooks that run. */
export interface HookRunners {
  /** Decides a wish about a hook and commits what comes of it. */
  commit(name: string, command: HookCommand, meta: Meta): void;
  /** Throws for one that is not there. */
  find(name: string): HookRecord;
  /** The event that the hook's stream gets next: everything before it is not new. */
  nowOf(name: string): HookPlace;
  /** Once its place is written down. */
  remove(name: string, reason: string | undefined, meta: Meta): void;
  runnerOf(name: string): HookRunner | undefined;
  readonly facts: StoredFacts;
  /** Id of the log's first commit. */
  logId(): Promise<string>;
}
