import type { DroverEvent } from '../../domain/events.ts';
import { buildWrites } from './build-writes.ts';
import { derivationWrites } from './derivation-writes.ts';
import { earlierWrites } from './earlier-writes.ts';
import { itemWrites } from './item-writes.ts';
import { submissionWrites } from './submission-writes.ts';
import type { Write } from './write.ts';

/**
 * What one event changes in the views. The rows are a function of the events and their order alone, however they
 * are cut into batches (I3); what has no table changes nothing.
 *
 * @param stream `<category>-<id>`.
 * @param at when the event was stored, milliseconds since the Unix epoch.
 * @param actor who did it.
 * @param position of the event in the log.
 */
export function viewWrites(
  event: DroverEvent,
  stream: string,
  at: number,
  actor: string,
  position: string,
): readonly Write[] {
  switch (event.type) {
    case 'DerivationAdded':
      return derivationWrites(event);
    case 'StoreItemAdded':
    case 'StoreItemUnpublished':
    case 'StoreItemDeleted':
    case 'StoreItemMissing':
    case 'StoreItemFoundUpstream':
    case 'StoreItemLostUpstream':
      return itemWrites(event, at, actor);
    case 'EarlierBuildsRecorded':
      return earlierWrites(event, streamId(stream), at);
    case 'SubmissionReceived':
    case 'SubmissionRootsAdded':
    case 'SubmissionJoined':
    case 'SubmissionQueued':
    case 'SubmissionSetAside':
    case 'SubmissionResumed':
    case 'SubmissionCanceled':
      return submissionWrites(event, streamId(stream), at, actor);
    case 'DerivationTextLost':
    case 'DerivationTextRestored':
    case 'AgentRegistered':
    case 'AgentConnected':
    case 'AgentDisconnected':
    case 'AgentLost':
    case 'AgentPaused':
    case 'AgentResumed':
    case 'AgentDraining':
    case 'AgentQuarantined':
    case 'AgentUnfit':
    case 'AgentFit':
    case 'AgentLimited':
    case 'AgentUnlimited':
    case 'AgentRetired':
    case 'TokenIssued':
    case 'TokenRevocationScheduled':
    case 'TokenRevoked':
    case 'HookAdded':
    case 'HookChanged':
    case 'HookPaused':
    case 'HookResumed':
    case 'HookRemoved':
    case 'HookCheckpointed':
    case 'HookParked':
    case 'HookRetried':
    case 'HookSkipped':
    case 'HookReplayed':
    case 'LogCheckpointed':
    case 'RootAdded':
    case 'RootExpired':
    case 'RootRemoved':
      return [];
    default:
      return buildWrites(event, streamId(stream), at, position);
  }
}

function streamId(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}
