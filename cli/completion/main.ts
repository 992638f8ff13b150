import { complete } from './complete.ts';
import { lookFor } from './look.ts';
import { readTree } from './tree.ts';

/** A person waits for it, with a finger on the key. */
const usualPatienceMs = 1000;

/**
 * What `drover __complete WORD…` prints for the shells' scripts: in its first line `words`, or whether the shell has files or folders to
 * complete; then candidates for the last word, one per line, each with a tab and what it is. Nothing is ever said of what went wrong, and
 * nothing asked: somebody is typing. Where no coordinator has answered after `patienceMs` milliseconds, there are no candidates.
 */
export async function completionFor(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
  patienceMs: number = usualPatienceMs,
): Promise<string> {
  const tree = readTree();
  const { candidates, look, given } = complete(tree, words);
  if (look?.source === 'files' || look?.source === 'folders') return `${look.source}\n`;
  const found =
    look === undefined
      ? candidates
      : await lookFor(look, tree, given, environment, AbortSignal.timeout(patienceMs)).then(
          (rows) => rows.map((row) => ({ ...row, value: look.before + row.value })),
          () => [],
        );
  const lines = found.map(({ value, about = '' }) => `${value}\t${onOneLine(about)}\n`);
  return `words\n${lines.join('')}`;
}

/** So much as a list has room for, without what would steer a terminal or end the line. */
function onOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ').slice(0, 100);
}
