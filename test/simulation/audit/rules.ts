import type { SimulatedFarm } from '../farm.ts';
import { insist } from '../violation.ts';
import type { BuildEntry } from './ledger.ts';

/** In the end: the root of each rule of the configuration keeps what the rule says, worked out from the log anew. */
export function auditRules({ ledger, settings }: SimulatedFarm): void {
  for (const { name, newest, derivation, tags = {}, per = [] } of settings.keep) {
    insist(derivation === undefined || derivation === 'd*', 'bug', `the audit does not know the pattern ${derivation}`);
    const counts = (build: BuildEntry): boolean =>
      build.standing === 'succeeded' &&
      (build.asked || build.joined) &&
      Object.entries(tags).every(([tag, value]) => build.tags[tag] === value);
    const groups = Map.groupBy([...ledger.builds.values()].filter(counts), (build) =>
      JSON.stringify([nameOf(build), ...per.map((tag) => build.tags[tag])]),
    );
    const wanted = new Set<string>();
    for (const builds of groups.values()) {
      // One build of each derivation, the one that was submitted last; those last submitted of these.
      const latest = [...new Map(builds.map((build) => [build.derivation, build])).values()];
      latest.sort((one, other) => builds.indexOf(other) - builds.indexOf(one));
      for (const build of latest.slice(0, newest))
        for (const output of Object.values(ledger.derivations.get(build.derivation)?.outputs ?? {})) wanted.add(output);
    }
    const kept = new Set(ledger.keep.roots.get(name)?.targets.keys());
    const missing = [...wanted].filter((path) => !kept.has(path));
    const extra = [...kept].filter((path) => !wanted.has(path));
    insist(missing.length === 0, 'I9', `the rule ${name} does not keep ${missing.join(', ')}`);
    insist(extra.length === 0, 'I9', `the rule ${name} keeps ${extra.join(', ')}, which is not of the newest`);
  }

  function nameOf(build: BuildEntry): string {
    const name = (ledger.derivations.get(build.derivation)?.path ?? '').slice(33, -'.drv'.length);
    return name.replace(/-[0-9].*$/, '');
  }
}
