import type { SimulatedFarm } from '../farm.ts';
import { insist } from '../violation.ts';
import type { Ask } from './ledger.ts';

/** In the end: the root of each rule of the configuration keeps what the rule says, worked out from the log anew. */
export function auditRules({ ledger, settings }: SimulatedFarm): void {
  for (const { name, newest, derivation, tags = {}, per = [] } of settings.keep) {
    insist(derivation === undefined || derivation === 'd*', 'bug', `the audit does not know the pattern ${derivation}`);
    const groups = Map.groupBy(
      ledger.asks.filter((ask) => wasHad(ask) && Object.entries(tags).every(([tag, value]) => ask.tags[tag] === value)),
      (ask) => JSON.stringify([nameOf(ask), ...per.map((tag) => ask.tags[tag])]),
    );
    const wanted = new Set<string>();
    for (const asks of groups.values()) {
      // Each derivation as it was asked for last; those asked for last of these.
      const latest = [...new Map(asks.map((ask) => [ask.derivation, ask])).values()];
      latest.sort((one, other) => asks.indexOf(other) - asks.indexOf(one));
      for (const { derivation: hash } of latest.slice(0, newest))
        for (const output of Object.values(ledger.derivations.get(hash)?.outputs ?? {})) wanted.add(output);
    }
    const kept = new Set(ledger.keep.roots.get(name)?.targets.keys());
    const missing = [...wanted].filter((path) => !kept.has(path));
    const extra = [...kept].filter((path) => !wanted.has(path));
    insist(missing.length === 0, 'I9', `the rule ${name} does not keep ${missing.join(', ')}`);
    insist(extra.length === 0, 'I9', `the rule ${name} keeps ${extra.join(', ')}, which is not of the newest`);
  }

  function wasHad({ build, submission }: Ask): boolean {
    if (build === undefined) return true;
    if (build.standing !== 'succeeded') return false;
    // Its own, as long as somebody wanted it for itself; or another's.
    return build.submission === submission
      ? build.asked || build.joined
      : !ledger.submissions.get(submission)?.canceled;
  }

  function nameOf({ derivation: hash }: Ask): string {
    const name = (ledger.derivations.get(hash)?.path ?? '').slice(33, -'.drv'.length);
    return name.replace(/-[0-9].*$/, '');
  }
}
