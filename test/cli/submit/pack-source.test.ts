import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { packSource } from '../../../cli/submit/pack-source.ts';
import { formatHash } from '../../../domain/store/hash-text.ts';
import { makeFixedOutputPath, makeTextPath } from '../../../domain/store/store-path.ts';

const base = `${'a'.repeat(32)}-source`;
const noNix = (() => {
  try {
    execFileSync('nix-store', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'nix-store is not installed';
  }
})();

describe('packSource', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-pack-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function tree(): Promise<string> {
    const root = join(folder, 'tree');
    await mkdir(join(root, 'b', 'empty'), { recursive: true });
    await writeFile(join(root, 'B'), 'upper case sorts first');
    await writeFile(join(root, 'b', 'run'), '#!/bin/sh\n');
    await chmod(join(root, 'b', 'run'), 0o755);
    await writeFile(join(root, 'é'), 'é');
    await writeFile(join(root, 'big'), Buffer.alloc(300_001, 'x'));
    await symlink('b/run', join(root, 'link'));
    return root;
  }

  it('writes the same NAR as Nix, and says its hash and size', { skip: noNix }, async () => {
    const root = await tree();
    const file = join(folder, 'nar.zst');
    const declared = await packSource(`/nix/store/${base}`, root, [], file);
    const packed = await readFile(file);
    const nar = zstdDecompressSync(packed);
    assert.ok(nar.equals(execFileSync('nix-store', ['--dump', root], { maxBuffer: 1 << 24 })));
    assert.deepEqual(declared, {
      path: base,
      narHash: formatHash({ algo: 'sha256', digest: createHash('sha256').update(nar).digest() }),
      narSize: nar.length,
      references: [],
      compression: 'zstd',
      fileSize: packed.length,
    });
  });

  it('finds the references among the candidates, itself included, and no others', async () => {
    const seen = `${'b'.repeat(32)}-seen`;
    const unseen = `${'c'.repeat(32)}-unseen`;
    const foreign = `${'d'.repeat(32)}-foreign`;
    const item = join(folder, 'text');
    await writeFile(item, `/nix/store/${seen} /nix/store/${foreign} ${base}`);
    const declared = await packSource(`/nix/store/${base}`, item, [unseen, seen], join(folder, 'text.zst'));
    assert.deepEqual(declared?.references, [base, seen]);
  });

  it('has the references that the path was made with: none where a text that names others was added without', async () => {
    const named = `${'b'.repeat(32)}-named`;
    const text = `(load "/gnu/store/${named}")`;
    const digest = createHash('sha256').update(text).digest();
    const item = join(folder, 'script');
    await writeFile(item, text);
    const flat = makeFixedOutputPath('script', '', 'sha256', digest.toString('hex'), '/gnu/store');
    for (const [path, references] of [
      [makeTextPath('script', digest, [], '/gnu/store'), []],
      [makeTextPath('script', digest, [`/gnu/store/${named}`], '/gnu/store'), [named]],
      [flat, []],
    ] as const) {
      const declared = await packSource(path, item, [named], join(folder, 'script.zst'));
      assert.deepEqual(declared?.references, references, path);
    }
  });

  it('gives nothing for what is not here', async () => {
    assert.equal(
      await packSource(`/nix/store/${base}`, join(folder, 'nowhere'), [], join(folder, 'none.zst')),
      undefined,
    );
  });

  it('refuses a device', async () => {
    await assert.rejects(packSource(`/nix/store/${base}`, '/dev/null', [], join(folder, 'none.zst')), {
      code: 'unsupported-file',
    });
  });
});
