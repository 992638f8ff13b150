import type { Finding, Verdict } from '../doctor/finding.ts';
import { paint, plural, printable, printableLines } from './text.ts';
import type { View } from './view.ts';

const states: Readonly<Record<Verdict, string>> = { ok: 'succeeded', warning: 'paused', 'to do': 'failed' };
const margin = 'warning'.length;

/** One line per finding, what to do below it, and a word on all of them. */
export function formatFindings(findings: readonly Finding[], { colour }: Pick<View, 'colour'>): string {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  const lines = findings.map(({ check, verdict, found, todo }) => {
    const line = `${paint(verdict.padEnd(margin), states[verdict], colour)}  ${check.padEnd(width)}  ${printableLines(found, margin + width + 4)}`;
    return todo === undefined ? line : `${line}\n${' '.repeat(margin + width + 4)}→ ${printable(todo)}`;
  });
  return `${lines.join('\n')}\n\n${summary(findings)}\n`;
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: Verdict) => findings.filter(({ verdict }) => verdict === wanted).length;
  const [todo, warnings] = [count('to do'), count('warning')];
  const what = [todo > 0 && `${plural(todo, 'thing')} to do`, warnings > 0 && plural(warnings, 'warning')].filter(
    (part) => part !== false,
  );
  return what.length === 0 ? 'All is well.' : `${what.join(', ')}.`;
}
