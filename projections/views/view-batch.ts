import type { DroverEvent } from '../../domain/events.ts';
import { createBuildBatch } from './build-batch.ts';
import { writeDerivation } from './derivation-writes.ts';
import { earlierWrites } from './earlier-writes.ts';
import { writeItem } from './item-writes.ts';
import { nameRows, namesPerPortion } from './name-writes.ts';
import { submissionWrites } from './submission-writes.ts';
import { runAll, type Tables } from './tables.ts';

/**
 * What a batch of events changes in the views. Rows are a function of the events and their order alone, however they are cut into
 * batches (I3); what has no table changes nothing. All of a batch has to be one transaction: what becomes of builds is written at its end.
 */
export interface ViewBatch {
  /**
   * @param stream `<category>-<id>`.
   * @param at when the event was stored, milliseconds since the Unix epoch.
   * @param actor who did it.
   * @param position of the event in the log.
   */
  add(event: DroverEvent, stream: string, at: number, actor: string, position: string): void;
  end(): void;
}

/** @param names rows whose names go into the full-text indexes together. */
export function createViewBatch(tables: Tables, names = namesPerPortion): ViewBatch {
  const builds = createBuildBatch(tables);
  return {
    add(event, stream, at, actor, position) {
      switch (event.type) {
        case 'DerivationAdded':
          return writeDerivation(tables, event.data);
        case 'StoreItemAdded':
        case 'StoreItemUnpublished':
        case 'StoreItemDeleted':
        case 'StoreItemMissing':
        case 'StoreItemFoundUpstream':
        case 'StoreItemLostUpstream':
          return writeItem(tables, event, at, actor);
        case 'EarlierBuildsRecorded':
          return runAll(tables, earlierWrites(event, streamId(stream), at));
        case 'SubmissionReceived':
        case 'SubmissionRootsAdded':
        case 'SubmissionJoined':
        case 'SubmissionQueued':
        case 'SubmissionSetAside':
        case 'SubmissionResumed':
        case 'SubmissionCanceled':
          return runAll(tables, submissionWrites(event, streamId(stream), at, actor));
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
        case 'BuildsRemembered':
        case 'LogCheckpointed':
        case 'RootAdded':
        case 'RootExpired':
        case 'RootRemoved':
          return;
        default:
          return builds.add(event, streamId(stream), at, position);
      }
    },
    end() {
      builds.end();
      nameRows(tables, names);
    },
  };
}

function streamId(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}
