import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readClosure } from '../../../cli/submit/closure.ts';
import { openDerivationSource } from '../../../cli/submit/derivation-source.ts';
import { parseDerivation } from '../../../domain/store/derivation.ts';
import { graphSize, loadGraphClosure, rootOf } from '../../support/graph-closure.ts';
import type { NamedDerivation } from '../../support/guix-graph.ts';

const storeDir = '/nix/store';
const baseOf = (path: string) => path.slice(storeDir.length + 1);

describe('readClosure', () => {
  let folder: string;
  let derivations: readonly NamedDerivation[];
  const texts = new Map<string, Uint8Array>();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-closure-'));
    derivations = await loadGraphClosure();
    for (const { name, bytes } of derivations) {
      texts.set(name, bytes);
      await writeFile(join(folder, name), bytes);
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));
  const root = () => rootOf(derivations);

  it('reads all that a root needs, inputs before what needs them, each once', async () => {
    const closure = await readClosure([root()], openDerivationSource({ storeDir, folder }));
    assert.equal(closure.order.length, graphSize);
    assert.equal(
      closure.bytes,
      derivations.reduce((sum, { bytes }) => sum + bytes.length, 0),
    );
    assert.equal(closure.order.at(-1), root());
    assert.equal(closure.absent.size, 0);
    const before = new Set<string>();
    const sources = new Set<string>();
    for (const base of closure.order) {
      const derivation = parseDerivation(texts.get(base) as Uint8Array, { storeDir });
      for (const input of derivation.inputDerivations)
        assert.ok(before.has(baseOf(input.path)), `${input.path} after ${base}`);
      for (const source of derivation.inputSources) sources.add(baseOf(source));
      assert.ok(!before.has(base), `${base} twice`);
      before.add(base);
    }
    assert.deepEqual([...closure.sources].sort(), [...sources].sort());
  });

  it('reads what two roots share once', async () => {
    const roots = derivations.map(({ name }) => name);
    const closure = await readClosure(roots, openDerivationSource({ storeDir, folder }));
    assert.deepEqual([...closure.order].sort(), roots.toSorted());
  });

  it('keeps what is named and not here, with who needs it', async () => {
    const source = openDerivationSource({ storeDir, folder });
    const whole = await readClosure([root()], source);
    const [leaf] = whole.order;
    const closure = await readClosure([root()], {
      ...source,
      read: (base) => (base === leaf ? undefined : source.read(base)),
    });
    assert.equal(closure.order.length, graphSize - 1);
    assert.deepEqual([...closure.absent.keys()], [leaf]);
    const needer = closure.absent.get(leaf as string) as string;
    const inputs = parseDerivation(texts.get(needer) as Uint8Array, { storeDir }).inputDerivations;
    assert.ok(inputs.some(({ path }) => baseOf(path) === leaf));
  });

  it('refuses a root that is not here, and one that is no derivation', async () => {
    const source = openDerivationSource({ storeDir, folder });
    const gone = `${'0'.repeat(32)}-gone.drv`;
    await assert.rejects(readClosure([gone], source), { code: 'not-found' });
    const broken = { ...source, read: () => Buffer.from('Derive([') };
    await assert.rejects(readClosure([root()], broken), { code: 'malformed-derivation' });
  });

  it('refuses derivations that need each other', async () => {
    const source = openDerivationSource({ storeDir, folder });
    const [leaf] = (await readClosure([root()], source)).order as [string];
    const circular = { ...source, read: (base: string) => source.read(base === leaf ? root() : base) };
    await assert.rejects(readClosure([root()], circular), { code: 'cycle' });
  });
});

describe('openDerivationSource', () => {
  const folder = fileURLToPath(new URL('../../fixtures/derivations', import.meta.url));
  const base = 'ivnwlps24cl9zlq8hpclnywd44h26swf-inputs.drv';

  it('takes base names, store paths and files of the folder', () => {
    const source = openDerivationSource({ storeDir, folder });
    for (const argument of [base, `${storeDir}/${base}`, join(folder, base)])
      assert.equal(source.resolve(argument), base);
    assert.ok(source.read(base));
    assert.equal(source.read(`${'0'.repeat(32)}-x.drv`), undefined);
  });

  it('looks below the root of a chroot store', () => {
    const source = openDerivationSource({ storeDir, storeRoot: '/srv/chroot' });
    assert.equal(source.resolve(`/srv/chroot/nix/store/${base}`), base);
    assert.throws(() => source.resolve(`/elsewhere/nix/store/${base}`), { code: 'not-found' });
  });

  it('leads on to what evaluates, where it is given what is to be evaluated', async () => {
    const source = openDerivationSource({ storeDir });
    const written = await mkdtemp(join(tmpdir(), 'drover-evaluated-'));
    try {
      await writeFile(join(written, 'flake.nix'), '{}');
      for (const [argument, hint] of [
        [join(written, 'flake.nix'), `to have it evaluated: drover submit --expr ${join(written, 'flake.nix')}`],
        [written, `for a flake: drover submit --flake ${written}`],
        ['.#hello', "for a flake: drover submit --flake '.#hello'"],
      ] as const)
        assert.throws(() => source.resolve(argument), { hint, exitCode: 2 });
    } finally {
      await rm(written, { recursive: true });
    }
  });

  it('refuses what is not a derivation as a wrong use', () => {
    const source = openDerivationSource({ storeDir, folder });
    assert.throws(() => source.resolve('nowhere.drv'), { code: 'not-found', exitCode: 2 });
    assert.throws(() => source.resolve(join(folder, `${base}.json`)), { code: 'not-a-derivation', exitCode: 2 });
  });
});
