import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: root })];

describe('links in the documents', () => {
  for (const page of pages) {
    it(`${page} leads to files that are there`, () => {
      const text = readFileSync(join(root, page), 'utf8');
      for (const [, target] of text.matchAll(/\]\(([^)#]+?)(?:#[^)]*)?\)/g)) {
        if (/^https?:/.test(target as string)) continue;
        assert.ok(existsSync(join(root, dirname(page), target as string)), `${page}: ${target}`);
      }
    });
  }

  it('every decision is in the list of decisions', () => {
    const list = readFileSync(join(root, 'docs/decisions/README.md'), 'utf8');
    for (const file of globSync('docs/decisions/[0-9]*.md', { cwd: root })) {
      assert.ok(list.includes(`(${file.slice('docs/decisions/'.length)})`), file);
    }
  });

  it('the changelog has a Pending heading', () => {
    assert.match(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), /^## Pending$/m);
  });
});
