import { createPace } from './pace.ts';

/** All names that begin so, by their places. */
export interface NamePart {
  readonly prefix: string;
  readonly members: readonly number[];
}

/**
 * Parts names by what they begin with, into at most `most`: the largest part is parted again, by the letter after what all of it begin with, as
 * long as there are large ones. Each name is in one part, and no part's prefix is the beginning of another's.
 *
 * @yields now and then
 */
export function* partsByName(
  names: readonly string[],
  most: number,
  pace = createPace(),
): Generator<undefined, readonly NamePart[]> {
  const small = names.length / most;
  const done: NamePart[] = [];
  const open: NamePart[] = [];

  function* add(members: readonly number[]): Generator<undefined, void> {
    const first = names[members[0] as number] as string;
    let common = first.length;
    for (const member of members) {
      const name = names[member] as string;
      let at = 0;
      while (at < common && name.charCodeAt(at) === first.charCodeAt(at)) at++;
      common = at;
      pace.followed();
      if (pace.isOver()) yield;
    }
    const part = { prefix: first.slice(0, common), members };
    if (members.length > small) open.push(part);
    else done.push(part);
  }

  if (names.length > 0) yield* add(Array.from(names.keys()));
  for (;;) {
    let largest: NamePart | undefined;
    for (const part of open) if (largest === undefined || part.members.length > largest.members.length) largest = part;
    if (largest === undefined) return done;
    open.splice(open.indexOf(largest), 1);
    const { prefix, members } = largest;
    /** By the next letter; one name may end there. */
    const next = new Map<number, number[]>();
    for (const member of members) {
      const letter = (names[member] as string).charCodeAt(prefix.length);
      const known = next.get(letter);
      if (known === undefined) next.set(letter, [member]);
      else known.push(member);
      pace.followed();
      if (pace.isOver()) yield;
    }
    if (next.size === 1 || done.length + open.length + next.size > most) done.push(largest);
    else for (const own of next.values()) yield* add(own);
  }
}
