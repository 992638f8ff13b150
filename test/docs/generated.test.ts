import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { fieldsOf } from '../../cli/config/fields.ts';
import { builderFailures, infrastructureFailures } from '../../domain/build/failure-class.ts';
import { eventTypes } from '../../domain/events.ts';
import { cliPage } from '../../scripts/docs/cli.ts';
import { clientSource } from '../../scripts/docs/client-source.ts';
import { completionTree } from '../../scripts/docs/completion.ts';
import { eventsPage } from '../../scripts/docs/events.ts';
import { settingsTables, withSettings } from '../../scripts/docs/settings.ts';
import { withVerdicts } from '../../scripts/docs/verdicts.ts';

const read = (name: string) => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const remedy = 'run: node scripts/generate-docs.ts';

describe('docs/events.md', () => {
  it('is what the schemas say', async () => {
    assert.equal(await read('events.md'), eventsPage(), remedy);
  });

  it('has every event with every field, and when it happens', async () => {
    const page = await read('events.md');
    for (const { type, when, schema } of eventTypes.values()) {
      const start = page.indexOf(`\n### ${type}\n`);
      assert.ok(start >= 0, type);
      const end = page.indexOf('\n##', start + 4);
      const section = page.slice(start, end < 0 ? undefined : end);
      assert.ok(when.length > 10 && section.includes(when), type);
      const shape = (schema as unknown as { shape: Record<string, unknown> }).shape;
      for (const field of Object.keys(shape)) assert.ok(section.includes(`| \`${field}\` | `), `${type}.${field}`);
    }
  });
});

describe('docs/operating.md', () => {
  it('has the settings that the schemas have', async () => {
    const page = await read('operating.md');
    assert.equal(page, withSettings(page), remedy);
  });

  it('has a meaning for every setting', () => {
    for (const [name, schema] of Object.entries(settingsTables)) {
      for (const { key, description } of fieldsOf(schema)) assert.match(description, /^[A-Zj].*\.$/, `${name}: ${key}`);
    }
  });
});

describe('docs/failures.md', () => {
  it('has the statuses and texts of the table', async () => {
    const page = await read('failures.md');
    assert.equal(page, withVerdicts(page), remedy);
  });

  it('has every class under the heading of whose it is', async () => {
    const [, build = '', machine = ''] = (await read('failures.md')).split(/^## /m);
    const classes = (section: string) => Array.from(section.matchAll(/^### (.+)$/gm), ([, name]) => name);
    assert.deepEqual(classes(build), [...builderFailures]);
    assert.deepEqual(classes(machine), [...infrastructureFailures, 'agent-lost']);
  });
});

describe('docs/cli.md', () => {
  it('is what --help says', async () => {
    assert.equal(await read('cli.md'), cliPage(), remedy);
  });
});

describe('cli/completion/tree.ndjson', () => {
  it('is what the commands are', async () => {
    assert.equal(await read('../cli/completion/tree.ndjson'), completionTree(), remedy);
  });
});

describe('client/generated.ts', () => {
  it('is what the OpenAPI document and the schemas of events say', async () => {
    assert.equal(await read('../client/generated.ts'), await clientSource(), remedy);
  });
});
