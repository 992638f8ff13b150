import { DroverProblem } from 'drover/client';
import { drover } from '../live/connection.ts';
import { splitName, time } from '../words/format.ts';
import { agentLink, buildLink, derivationLink, hookLink, itemLink, rootLink, submissionLink } from '../words/links.ts';
import { buildStates } from '../words/things.ts';
import { distinct, mentions, wishIn } from './text.ts';

/** Something that there is, and where its page is. */
export interface Found {
  readonly text: string;
  readonly href: string;
  /** What else is known of it, in few words. */
  readonly note?: string;
}

export interface FoundGroup {
  readonly kind: string;
  readonly found: readonly Found[];
  /** Where all of the kind are, if there may be more. */
  readonly all?: string | undefined;
}

/** All kinds of things that a text is in the name of, or in the id; at most so many of each. */
export async function find(wish: string, most: number): Promise<readonly FoundGroup[]> {
  const { text, id } = wishIn(wish);
  if (text === '') return [];
  const ids = async (kind: 'builds' | 'submissions' | 'items' | 'derivations') =>
    id === undefined ? [] : rows(drover.findIds({ kind, prefix: id, limit: most }));
  const drvs = ids('derivations');
  const [byName, byDrv, drvIds, byTag, buildIds, submissionIds, items, itemIds, agents, hooks, roots] =
    await Promise.all([
      rows(drover.listBuilds({ name: text, limit: most })),
      // Whoever wrote so much of a hash means that derivation, and what was built of it.
      drvs.then((found) =>
        found.length === 1 ? rows(drover.listBuilds({ derivation: (found[0] as { id: string }).id, limit: most })) : [],
      ),
      drvs,
      id === undefined ? [] : rows(drover.listBuilds({ tag: id, limit: 1 })),
      ids('builds'),
      ids('submissions'),
      rows(drover.listItems({ name: text, limit: most })),
      ids('items'),
      rows(drover.listAgents()),
      rows(drover.listHooks()),
      rows(drover.listRoots()),
    ]);
  const builds = [...byName, ...byDrv];
  const more = (there: readonly unknown[], href: string): string | undefined =>
    there.length >= most ? `${href}?name=${encodeURIComponent(text)}` : undefined;
  const groups: readonly FoundGroup[] = [
    {
      kind: 'Builds',
      found: distinct([
        ...buildIds.map((row) => ({ text: nameOf(row.name), href: buildLink(row.id), note: row.id })),
        ...builds.map((row) => ({
          text: nameOf(row.derivation),
          href: buildLink(row.id),
          note: `${row.standing ?? row.state}, ${row.system}, ${time(row.submittedAt, Date.now())}`,
        })),
      ]),
      all: more(byName, '/builds'),
    },
    {
      kind: 'States',
      found: statesIn(text).map((state) => ({ text: `${state} builds`, href: `/builds?state=${state}` })),
    },
    {
      kind: 'Derivations',
      found: distinct(
        [...drvIds.map((row) => row.id), ...builds.map(({ derivation }) => derivation)].map((derivation) => ({
          text: derivation,
          href: derivationLink(derivation),
          note: 'all its builds',
        })),
      ),
    },
    {
      kind: 'Items',
      found: distinct([
        ...itemIds.map((row) => ({ text: row.id, href: itemLink(row.id) })),
        ...items.map(({ path }) => ({ text: path, href: itemLink(path) })),
      ]),
      all: more(items, '/items'),
    },
    {
      kind: 'Submissions',
      found: submissionIds.map((row) => ({ text: row.id, href: submissionLink(row.id), note: nameOf(row.name) })),
    },
    {
      kind: 'Tags',
      found: byTag.map(() => ({ text, href: `/builds?tag=${encodeURIComponent(text)}`, note: 'builds with it' })),
    },
    {
      kind: 'Agents',
      found: agents
        .filter(({ name }) => mentions(text, name))
        .map(({ name, intake }) => ({ text: name, href: agentLink(name), note: intake })),
    },
    {
      kind: 'Hooks',
      found: hooks
        .filter(({ name }) => mentions(text, name))
        .map(({ name, state }) => ({ text: name, href: hookLink(name), note: state })),
    },
    {
      kind: 'Roots',
      found: roots
        .filter(({ name }) => mentions(text, name))
        .map(({ name, targets }) => ({ text: name, href: rootLink(name), note: `keeps ${targets}` })),
    },
  ];
  return groups.flatMap((group) => (group.found.length === 0 ? [] : [{ ...group, found: group.found.slice(0, most) }]));
}

/** A word is for a state once it can be for few. */
const statesIn = (text: string): readonly string[] =>
  text.length < 3 ? [] : buildStates.filter((state) => state.startsWith(text.toLowerCase()));

const nameOf = (base: string | null): string => (base === null ? '' : splitName(base).name);

/** What cannot be a name or an id of that kind, none has. */
async function rows<Row>(answer: Promise<{ readonly rows: readonly Row[] }>): Promise<readonly Row[]> {
  try {
    return (await answer).rows;
  } catch (error) {
    if (error instanceof DroverProblem && (error.status === 400 || error.status === 404)) return [];
    throw error;
  }
}
