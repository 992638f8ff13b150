import { createRecent } from '../../projections/recent.ts';
import type { StoredEvent } from '../ports/event-store.ts';
import { firstHash } from './chain.ts';

/** A commit as a link of the chain. */
export interface Link {
  readonly first: StoredEvent;
  readonly hash: string;
  readonly previousHash: string | undefined;
}

export interface LinkFault {
  readonly kind: 'changed' | 'removed' | 'inserted' | 'reordered';
  readonly at: StoredEvent;
  readonly message: string;
}

/** So many commits before and after a link that does not fit are looked at, to say what happened there. */
const window = 10_000;

/**
 * Whether each commit carries the hash of the one before it. Where one does not, what comes next tells a change from a removal, an
 * insertion or another order: so the answer comes some commits later.
 */
export interface LinkCheck {
  readonly isSearching: boolean;
  add(link: Link): LinkFault | undefined;
  /** No more comes. */
  end(): LinkFault | undefined;
}

export function createLinkCheck(): LinkCheck {
  /** By hash, oldest first. */
  const recent = createRecent<string, Link>(window);
  let before: Link | undefined;
  let odd: { readonly link: Link; readonly before: Link | undefined; next?: Link; seen: number } | undefined;

  /** What can be said at once of a commit that does not follow the one before it. */
  function known(link: Link): LinkFault | undefined {
    const twin = recent.get(link.hash);
    if (twin) return fault('inserted', link, `it is the commit ${nameOf(twin)} once more`);
    const wanted = link.previousHash as string;
    const names = [...recent.keys()];
    const at = wanted === firstHash ? -1 : names.indexOf(wanted);
    if (at === -1 && wanted !== firstHash) return undefined;
    // Older commits may have been forgotten, and then this is not where the log begins.
    const first = recent.get(names[at + 1] ?? '');
    return (
      first &&
      fault(
        'inserted',
        first,
        `${nameOf(link)} follows what is before it, and so it was not there when that was written`,
      )
    );
  }

  function search(link: Link): LinkFault | undefined {
    if (odd === undefined) return undefined;
    odd.next ??= link;
    const expected = odd.before?.hash ?? firstHash;
    if (link.hash === odd.link.previousHash)
      return fault('reordered', odd.link, `it was written after ${nameOf(link)}, which stands behind it`);
    if (link.previousHash === expected)
      return fault(
        'inserted',
        odd.link,
        `${nameOf(link)} follows what is before it, and so it was not there when that was written`,
      );
    return ++odd.seen >= window ? guess() : undefined;
  }

  /** The commit that the odd one carries the hash of is nowhere. */
  function guess(): LinkFault | undefined {
    if (odd === undefined) return undefined;
    const { link, before, next } = odd;
    if (next !== undefined && next.previousHash !== link.hash)
      return fault(
        'changed',
        link,
        `its hash is ${link.hash}, and the commit after it carries ${next.previousHash ?? 'none'}`,
      );
    if (before === undefined)
      return fault('removed', link, 'it begins the log, and was written after another commit that is gone');
    const missing = missingBetween(before, link);
    if (missing !== undefined && missing > 0)
      return fault(
        'removed',
        link,
        `${missing === 1 ? 'a commit is' : `${missing} commits are`} gone between ${nameOf(before)} and it`,
      );
    const maybe = missing === undefined ? ', or what came after it was removed' : '';
    return fault(
      'changed',
      before,
      `its hash is ${before.hash}, and the commit after it carries ${link.previousHash}${maybe}`,
    );
  }

  return {
    get isSearching() {
      return odd !== undefined;
    },
    add(link) {
      if (odd) return search(link);
      const expected = before?.hash ?? firstHash;
      if (link.previousHash !== undefined && link.previousHash !== expected) {
        const bad = known(link);
        if (bad) return bad;
        odd = { link, before, seen: 0 };
        return undefined;
      }
      before = link;
      recent.set(link.hash, link);
      return undefined;
    },
    end: () => guess(),
  };
}

function fault(kind: LinkFault['kind'], { first }: Link, why: string): LinkFault {
  const words = {
    changed: 'is not as it was written',
    removed: 'does not follow the one before it',
    inserted: 'does not belong there',
    reordered: 'is not in its place',
  };
  return { kind, at: first, message: `the commit ${first.commit} ${words[kind]}: ${why}` };
}

const nameOf = ({ first }: Link): string => `${first.commit} (${first.stream}@${first.revision})`;

/** Commits between two of one run of a coordinator, which numbers them; `undefined` for those of two runs. */
function missingBetween(before: Link, after: Link): number | undefined {
  const [from, to] = [before, after].map(({ first }) => /^(.+)\.([0-9]+)$/.exec(first.commit));
  if (!from || !to || from[1] !== to[1]) return undefined;
  return Math.max(0, Number(to[2]) - Number(from[2]) - 1);
}
