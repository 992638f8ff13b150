import type { HookTarget, HookTargetKind } from '../../domain/hook/target.ts';

/** A kind of hook that Drover itself sees to, instead of a command or a receiver of somebody's own. */
export interface BuiltIn {
  /** Types of events that it makes something of; it gets them all unless the hook says `on`. */
  readonly types: readonly string[];
  /** It gets only what changed whether a derivation, by name and system, is broken. */
  readonly changesOnly?: true;
  /** Where a new hook of the kind begins; now if absent. */
  readonly from?: 'start';
}

const itemTypes = [
  'StoreItemAdded',
  'StoreItemUnpublished',
  'StoreItemDeleted',
  'StoreItemMissing',
  'StoreItemFoundUpstream',
];

export type BuiltInKind = Exclude<HookTargetKind, 'command' | 'webhook'>;

export const builtIns: Readonly<Record<BuiltInKind, BuiltIn>> = {
  notify: { types: ['BuildSucceeded', 'BuildSatisfied', 'BuildFailed'], changesOnly: true },
  'guix-data-service': {
    types: ['BuildSubmitted', 'BuildStarted', 'BuildSucceeded', 'BuildSatisfied', 'BuildFailed', 'BuildCanceled'],
  },
  publish: { types: ['BuildSucceeded', 'BuildSatisfied', ...itemTypes] },
  mirror: { types: itemTypes, from: 'start' },
};

export function builtInOf({ kind }: Pick<HookTarget, 'kind'>): BuiltIn | undefined {
  return kind === 'command' || kind === 'webhook' ? undefined : builtIns[kind];
}
