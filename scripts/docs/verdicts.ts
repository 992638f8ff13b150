import { nixRefusals } from '../../domain/build/verdicts/nix-refusals.ts';
import { nixStatuses } from '../../domain/build/verdicts/nix-statuses.ts';

const [open, close] = ['<!-- verdicts -->', '<!-- /verdicts -->'];

/** Puts the tables of what Nix says and what it means between their markers. */
export function withVerdicts(page: string): string {
  const [start, end] = [page.indexOf(open), page.indexOf(close)];
  if (start < 0 || end < start) throw new Error(`expected ${open} and ${close} in docs/failures.md`);
  return `${page.slice(0, start + open.length)}\n${tables()}\n${page.slice(end)}`;
}

function tables(): string {
  const statuses = nixStatuses.map(
    ({ code, name, means, refined }) =>
      `| ${code} | ${name} | ${means}${refined ? ', unless the text says more' : ''} |`,
  );
  const texts = Object.entries(nixRefusals).map(([about, rows]) => {
    const lines = rows.map(
      ({ says, means }) => `| \`${says.replaceAll('\n', ' ⏎ ').replaceAll('`', "'").trim()}\` | ${means} |`,
    );
    return `\n### About ${about}\n\n| text | class |\n|---|---|\n${lines.join('\n')}`;
  });
  return `| status | name in Nix | class |\n|---|---|---|\n${statuses.join('\n')}\n${texts.join('\n')}`;
}
