import type { Checkpoint } from '../../domain/audit/checkpoint.ts';
import { growTree, leafHash } from '../../domain/audit/merkle-tree.ts';
import type { NoteKey } from '../../domain/audit/signed-note.ts';
import type { IndexCheck, IndexFault, Position, StoredEvent } from '../ports/event-store.ts';
import { readCheckpoint } from './check-note.ts';
import { ambiguityOf, commitOfStored, commitText, isSameCommit } from './commit-text.ts';
import { checkpointStream } from './known-tree.ts';
import { createLinkCheck, type Link, type LinkFault } from './link-check.ts';

export interface Fault {
  readonly kind: LinkFault['kind'] | 'unlinked' | 'checkpoint' | 'signature' | 'forged' | 'truncated' | 'index';
  /** Of the first event that is not as it was written, as far as that can be told; `undefined` for what is not there. */
  readonly position: Position | undefined;
  /** `<stream>@<revision>` of that event. */
  readonly event: string | undefined;
  readonly message: string;
}

export interface Verification {
  readonly events: number;
  readonly commits: number;
  /** First event whose commit carries a hash: from there on, each vouches for what comes before. */
  readonly linkedFrom: Position | undefined;
  /** Checkpoints of the log that fit it. */
  readonly checkpoints: number;
  /** What the newest of them covers, and whose signature on it was checked: `undefined` where no key was given. */
  readonly signed:
    | { readonly commits: number; readonly through: Position; readonly by: string | undefined }
    | undefined;
  readonly fault: Fault | undefined;
}

export interface Trust {
  /** Keys of which one has to have signed each checkpoint; with none, signatures are not looked at. */
  readonly keys: readonly NoteKey[];
  /** Checkpoints that the caller holds, from wherever: the log has to contain what they cover. */
  readonly held: readonly Checkpoint[];
}

/** Reads a log from its start to its end, and says whether it is what was written. See docs/audit.md. */
export interface Verifier {
  /** The next event. False once nothing that comes can change the outcome. */
  add(event: StoredEvent): boolean;
  end(): Verification;
}

/** @param index where the engine has one that is checked along with the log: what is wrong with it counts if nothing is wrong with the log. */
export function createVerifier({ keys, held }: Trust, index?: IndexCheck): Verifier {
  const tree = growTree();
  const links = createLinkCheck();
  const due = [...held].sort((a, b) => a.size - b.size);
  let events = 0;
  let current: StoredEvent[] = [];
  let linkedFrom: Position | undefined;
  let checkpoints = 0;
  let signed: Verification['signed'];
  let last: Position | undefined;
  let fault: Fault | undefined;
  let indexFault: IndexFault | undefined;

  function found(kind: Fault['kind'], at: StoredEvent | undefined, message: string): void {
    fault ??= { kind, position: at?.position, event: at && `${at.stream}@${at.revision}`, message };
  }

  /** Everything of a commit has come. */
  function close(): void {
    const [first] = current;
    if (first === undefined || fault) return;
    const commit = commitOfStored(current);
    const ambiguity = ambiguityOf(commit);
    if (ambiguity !== undefined)
      return found('changed', first, `the commit ${first.commit} is not as it was written: ${ambiguity}`);
    const leaf = leafHash(commitText(commit));
    const link: Link = { first, hash: leaf, previousHash: first.previousHash };
    const broken = first.previousHash === undefined && linkedFrom !== undefined;
    if (broken && !links.isSearching) {
      const message = `the commit ${first.commit} carries no hash of the one before it, and those before it do: it was not written by a coordinator of this version`;
      return found('unlinked', first, message);
    }
    if (first.previousHash !== undefined) linkedFrom ??= first.position;
    const bad = links.add(link);
    if (bad) return found(bad.kind, bad.at, bad.message);
    if (links.isSearching) return;
    if (first.stream === checkpointStream) for (const event of current) checkOwn(event);
    tree.push(leaf);
    last = current.at(-1)?.position;
    checkHeld(first);
  }

  /** A checkpoint of the log itself: it covers all commits before it. */
  function checkOwn(event: StoredEvent): void {
    const { size } = tree;
    const checked = readCheckpoint(event, keys);
    if (checked === undefined || fault) return;
    if ('fault' in checked) return found(checked.kind, event, checked.fault);
    const { checkpoint, by } = checked;
    if (checkpoint.size !== size)
      return found('checkpoint', event, `the checkpoint covers ${checkpoint.size} commits, and ${size} come before it`);
    if (tree.root() !== checkpoint.root) return found('forged', event, forged(checkpoint));
    checkpoints++;
    if (last !== undefined) signed = { commits: size, through: last, by };
  }

  function checkHeld(at: StoredEvent): void {
    while (due[0]?.size === tree.size) {
      const checkpoint = due.shift() as Checkpoint;
      if (tree.root() !== checkpoint.root) return found('forged', at, forged(checkpoint));
    }
  }

  function forged({ size }: Checkpoint): string {
    const since = signed
      ? `after ${signed.through}, up to which an earlier checkpoint fits`
      : 'anywhere from the start';
    return `the first ${size} commits are linked to each other, but are not those that the checkpoint was signed for: the log was written anew, from ${since}`;
  }

  return {
    add(event) {
      events++;
      indexFault ??= index?.add(event);
      if (isSameCommit(current.at(-1), event)) {
        current.push(event);
        return true;
      }
      close();
      current = [event];
      return fault === undefined;
    },
    end() {
      close();
      const unresolved = fault === undefined ? links.end() : undefined;
      if (unresolved) found(unresolved.kind, unresolved.at, unresolved.message);
      // A log without events has a tree, too.
      while (due[0]?.size === 0) due.shift();
      const [missing] = due;
      if (missing)
        found(
          'truncated',
          undefined,
          `the log ends after ${tree.size} commits (${last ?? 'it is empty'}), and the checkpoint covers ${missing.size}: its end is gone`,
        );
      if (fault === undefined) indexFault ??= index?.end();
      if (indexFault)
        found('index', indexFault.at, `the index of streams is not that of the log: ${indexFault.message}`);
      return { events, commits: tree.size, linkedFrom, checkpoints, signed, fault };
    },
  };
}
