import type { HookTarget, HookTargetKind } from '../../domain/hook/target.ts';

/** A kind of hook that Drover itself sees to, instead of a command or a receiver of somebody's own. */
export interface BuiltIn {
  /** Types of events that it makes something of; it gets them all unless the hook says `on`. */
  readonly types: readonly string[];
}

export type BuiltInKind = Exclude<HookTargetKind, 'command' | 'webhook'>;

export const builtIns: Readonly<Record<BuiltInKind, BuiltIn>> = {
  'guix-data-service': {
    types: ['BuildSubmitted', 'BuildStarted', 'BuildSucceeded', 'BuildSatisfied', 'BuildFailed', 'BuildCanceled'],
  },
};

export function builtInOf({ kind }: Pick<HookTarget, 'kind'>): BuiltIn | undefined {
  return kind === 'command' || kind === 'webhook' ? undefined : builtIns[kind];
}
