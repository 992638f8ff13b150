import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkFile, checkLayers } from '../../scripts/layering.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('checkLayers', () => {
  it('finds nothing in this repository', () => {
    assert.deepEqual(checkLayers(root), []);
  });

  const refused: readonly (readonly [file: string, text: string, message: RegExp])[] = [
    [
      'domain/build/x.ts',
      "import { a } from '../../projections/queue.ts';",
      /only domain\/, not projections\/queue\.ts/,
    ],
    [
      'domain/build/x.ts',
      "import type { A } from '../../coordinator/ports/pool.ts';",
      /not coordinator\/ports\/pool\.ts/,
    ],
    ['domain/x.ts', "import { readFileSync } from 'node:fs';", /not node:fs/],
    ['domain/x.ts', "import { x } from 'fastify';", /of packages only zod, @noble\/curves, not fastify/],
    ['domain/x.ts', "import { x } from 'fs';", /write node:fs/],
    ['projections/x.ts', "export * from '../coordinator/core.ts';", /not coordinator\/core\.ts/],
    ['projections/x.ts', "import 'node:net';", /not node:net/],
    ['coordinator/x.ts', "const y = await import('../adapters/http/server.ts');", /not adapters\/http\/server\.ts/],
    ['coordinator/x.ts', "import { y } from '../programs/coordinator.ts';", /not programs\/coordinator\.ts/],
    ['coordinator/ports/x.ts', "import { y } from '../core.ts';", /not coordinator\/core\.ts/],
    ['agent/x.ts', "import { y } from '../adapters/agent-link/client.ts';", /not adapters/],
    ['agent/x.ts', "import { y } from '../coordinator/core.ts';", /not coordinator\/core\.ts/],
    ['adapters/http/x.ts', "import { y } from '../../cli/main.ts';", /not cli\/main\.ts/],
    ['adapters/http/x.ts', "import { y } from '../../programs/coordinator.ts';", /not programs\/coordinator\.ts/],
    ['programs/x.ts', "import { y } from '../cli/main.ts';", /not cli\/main\.ts/],
  ];
  for (const [file, text, message] of refused) {
    it(`refuses ${text} in ${file}`, () => {
      const [violation, ...more] = checkFile(file, `// first line\n${text}\n`);
      assert.match(violation?.message ?? 'nothing', message);
      assert.equal(violation?.line, 2);
      assert.deepEqual(more, []);
    });
  }

  it('allows what the design allows', () => {
    for (const [file, text] of [
      [
        'domain/build/x.ts',
        "import { y } from '../agent/events.ts'; import * as z from 'zod'; import { createHash } from 'node:crypto';",
      ],
      ['projections/x.ts', "import { y } from '../domain/event.ts';"],
      ['coordinator/x.ts', "import { y } from '../projections/queue.ts'; import type { Pool } from './ports/pool.ts';"],
      [
        'agent/x.ts',
        "import { y } from '../domain/agent/messages.ts'; import type { Runtime } from '../coordinator/ports/runtime.ts';",
      ],
      [
        'adapters/http/x.ts',
        "import { y } from '../../coordinator/errors.ts'; import f from 'fastify'; import 'node:http';",
      ],
      ['programs/coordinator.ts', "import { y } from '../adapters/http/server.ts';"],
      ['cli/x.ts', "import { y } from '../programs/coordinator.ts';"],
    ] as const) {
      assert.deepEqual(checkFile(file, text), [], file);
    }
  });
});

describe('biome.json', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-lint-'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const file of [
      'biome.json',
      'tsconfig.json',
      'scripts/lint/deterministic.grit',
      'scripts/lint/imports.grit',
    ]) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), await readFile(join(root, file)));
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** What Biome has against a file of this text: categories and messages. */
  async function lint(files: Readonly<Record<string, string>>): Promise<string> {
    for (const [file, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), text);
    }
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/@biomejs/biome/bin/biome'),
        'lint',
        '--diagnostic-level=error',
        '--max-diagnostics=none',
        ...Object.keys(files),
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    return stdout + stderr;
  }

  /** Each complaint begins with the place of what it is about. */
  function complaintsByFile(said: string): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const part of said.split(/^(?=\S+\.ts:\d+:\d+ )/m)) {
      const file = /^(\S+\.ts):\d+:\d+ /.exec(part)?.[1];
      if (file !== undefined) found.set(file, (found.get(file) ?? '') + part);
    }
    return found;
  }

  const impure: readonly (readonly [text: string, complaint: RegExp])[] = [
    ['export const x = Date.now();', /Time comes in through the Clock port/],
    ['export const x = Date.now;', /Time comes in through the Clock port/],
    ['export const x = new Date();', /Time comes in through the Clock port/],
    ['export const x = performance.now();', /Clock port/],
    ['export const x = Math.random();', /Randomness comes in through the Randomness port/],
    ["import { randomUUID } from 'node:crypto';\nexport const x = randomUUID();", /Randomness port/],
    ['export const x = crypto.randomUUID();', /Randomness port/],
    ['setTimeout(() => {}, 1);', /Timers port/],
    ['globalThis.setTimeout(() => {}, 1);', /comes in through a port/],
    ["import { setTimeout } from 'node:timers/promises';\nawait setTimeout(1);", /Timers port/],
    ['export const x = process.env.HOME;', /composition roots/],
    ["import { readFile } from 'node:fs/promises';\nexport const x = readFile;", /I\/O is for adapters/],
    ["export const x = fetch('http://x');", /I\/O is for adapters/],
    ["import { fastify } from 'fastify';\nexport const x = fastify;", /I\/O is for adapters/],
    ["console.log('x');", /Log through the logger/],
  ];
  // Each run of Biome takes half a second, however many files it is given.
  it('refuses each of them in every pure folder, and in none of the others', async () => {
    const filesOf = (places: readonly string[]) =>
      Object.fromEntries(
        places.flatMap((place) => impure.map(([text], index) => [`${place}/x${index}.ts`, `${text}\n`])),
      );
    const pure = ['domain', 'projections', 'coordinator', 'agent'];
    const found = complaintsByFile(await lint(filesOf(pure)));
    for (const place of pure)
      for (const [index, [text, complaint]] of impure.entries())
        assert.match(found.get(`${place}/x${index}.ts`) ?? 'nothing', complaint, `${text} in ${place}`);
    const others = await lint(filesOf(['adapters', 'cli']));
    assert.doesNotMatch(others, /port\.|composition roots|for adapters|Log through/);
  });

  it('allows a date that is told, and hashing', async () => {
    const text = "import { createHash } from 'node:crypto';\nexport const x = [new Date(5), createHash('sha256')];\n";
    assert.doesNotMatch(await lint({ 'domain/fine.ts': text }), /domain\/fine\.ts:/);
  });

  it('refuses a part of zod, floating promises and import cycles', async () => {
    const parts = [
      "import { z } from 'zod';\nexport const x = z.any();\n",
      "import type { z } from 'zod';\nexport type X = z.ZodType;\n",
    ];
    for (const text of parts) assert.match(await lint({ 'cli/z.ts': text }), /Write `import \* as z from 'zod'`/);
    assert.doesNotMatch(await lint({ 'cli/z.ts': (parts[0] as string).replace('{ z }', '* as z') }), /cli\/z\.ts:/);
    assert.match(await lint({ 'cli/f.ts': 'async function f(): Promise<void> {}\nf();\n' }), /noFloatingPromises/);
    const cycle = {
      'cli/a.ts': "import { b } from './b.ts';\nexport const a = () => b;\n",
      'cli/b.ts': "import { a } from './a.ts';\nexport const b = () => a;\n",
    };
    assert.match(await lint(cycle), /noImportCycles/);
  });
});
