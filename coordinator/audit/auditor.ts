import { checkpointText } from '../../domain/audit/checkpoint.ts';
import { type NoteKey, signNote } from '../../domain/audit/signed-note.ts';
import type { Category, DroverEvent } from '../../domain/events.ts';
import type { Core } from '../core.ts';
import { durableWithin, within } from '../log/writer.ts';
import type { Tree } from './chain.ts';

/** Signs checkpoints of the log: some time after something has happened, and at a stop that is meant. */
export interface Auditor extends Disposable {
  /** The newest checkpoint that is durable, as a signed note; `undefined` before the first. */
  checkpoint(): string | undefined;
  finish(): Promise<void>;
}

const graceMs = 5000;

/**
 * Whether an event alone asks for no checkpoint: one that follows from a checkpoint, or a hook that is told of each, would have an idle
 * coordinator write for ever.
 */
function isBookkeeping(category: Category, { type }: DroverEvent): boolean {
  return category === 'audit' || type === 'HookCheckpointed' || type === 'HookParked';
}

export function startAuditor(
  core: Pick<Core, 'farm' | 'writer' | 'auditKey' | 'policy' | 'runtime' | 'logger'>,
): Auditor {
  const { farm, writer, auditKey, policy, runtime, logger } = core;
  const { checkpoints } = farm;
  let durable = checkpoints.newest?.note;
  let timer: Disposable | undefined;
  let isDue = false;

  function due(): void {
    if (auditKey === undefined) return;
    isDue = true;
    timer ??= runtime.timers.after(policy.checkpointSeconds * 1000, () => void sign());
  }
  function stopTimer(): void {
    timer?.[Symbol.dispose]();
    timer = undefined;
  }

  async function sign(): Promise<void> {
    stopTimer();
    if (!isDue || auditKey === undefined) return;
    try {
      await writer.withTree((tree) => {
        if (isDue && !writer.failure) commitCheckpoint(tree, auditKey);
      });
    } catch (error) {
      // A bug in it is no reason to stop the farm; what stops the writer is told by others.
      if (!writer.failure) logger.error({ err: error }, 'no checkpoint of the log could be signed');
    }
  }

  /** It covers all commits before its own, so nothing may come between. */
  function commitCheckpoint(tree: Tree, key: NoteKey): void {
    const { size } = tree;
    const root = tree.root();
    const note = signNote(checkpointText({ origin: key.name, size, root }), key);
    const data = { size, root, note, subtrees: [...tree.subtrees()] };
    const meta = { actor: 'coordinator' };
    writer.commit('audit', 'log', checkpoints.newest?.revision ?? 'none', [{ type: 'LogCheckpointed', data }], meta);
    isDue = false;
    stopTimer();
    // Nobody gets to see one whose commits a power cut could take back.
    writer.afterwards(() => {
      durable = note;
    });
  }

  writer.listen((category, _, event) => {
    if (!isBookkeeping(category, event)) due();
  });
  /** The newest one is itself the only commit that none covers. */
  const isLacking = () => (writer.size ?? 0) > (checkpoints.newest?.size ?? -1) + 1;
  // What a stop that was not meant has left without one.
  if (isLacking()) due();

  return {
    checkpoint: () => durable,
    async finish() {
      // Nobody is told of what comes at a stop, so bookkeeping is covered, too.
      if (isLacking()) due();
      await within(runtime, graceMs, sign());
      await durableWithin(core, graceMs);
    },
    [Symbol.dispose]() {
      isDue = false;
      stopTimer();
    },
  };
}
