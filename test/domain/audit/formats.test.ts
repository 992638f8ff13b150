import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkpointText, parseCheckpoint } from '../../../domain/audit/checkpoint.ts';
import { growTree, leafHash, subtreesOf } from '../../../domain/audit/merkle-tree.ts';
import {
  generateNoteKey,
  isSignedBy,
  noteKeyText,
  parseNote,
  parseNoteKey,
  parseNoteSecret,
  signNote,
} from '../../../domain/audit/signed-note.ts';

/** As RFC 6962, section 2.1, defines it. */
function rootOf(leaves: readonly string[]): string {
  if (leaves.length < 2) return leaves[0] ?? createHash('sha256').digest('base64');
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  const sides = [leaves.slice(0, half), leaves.slice(half)].map((side) => Buffer.from(rootOf(side), 'base64'));
  return createHash('sha256')
    .update(Buffer.concat([Buffer.of(1), ...sides]))
    .digest('base64');
}

describe('Merkle tree', () => {
  it('has the roots of the test vectors of Certificate Transparency', () => {
    const leaves = ['', '\0', '\x10', ' !', '01', '@ABC', 'PQRSTUVW', '`abcdefghijklmno'];
    const roots = [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    const tree = growTree();
    assert.equal(tree.root(), createHash('sha256').digest('base64'));
    for (const [at, leaf] of leaves.entries()) {
      tree.push(leafHash(leaf));
      assert.equal(Buffer.from(tree.root(), 'base64').toString('hex'), roots[at]);
    }
  });
  it('is the same when it goes on from its subtrees, at any size', () => {
    fc.assert(
      fc.property(fc.nat(70), fc.nat(70), (before, more) => {
        const leaves = Array.from({ length: before + more }, (_, n) => leafHash(`${n}`));
        const first = growTree();
        for (const leaf of leaves.slice(0, before)) first.push(leaf);
        const tree = growTree({ size: first.size, subtrees: first.subtrees() });
        for (const leaf of leaves.slice(before)) tree.push(leaf);
        assert.deepEqual(tree.root(), rootOf(leaves));
        assert.equal(tree.subtrees().length, subtreesOf(leaves.length));
      }),
    );
  });
  it('refuses to go on from what is no tree', () => {
    assert.throws(() => growTree({ size: 3, subtrees: [leafHash('')] }), /Expected 2 subtrees of 3 leaves, got 1/);
  });
});

describe('signed notes', () => {
  // Of the documentation of golang.org/x/mod/sumdb/note.
  const secret = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
  const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

  it('are those of other programs, byte for byte', () => {
    assert.equal(signNote(text, parseNoteSecret(secret)), note);
    assert.equal(noteKeyText(parseNoteSecret(secret)), key);
    assert.equal(isSignedBy(parseNote(note), parseNoteKey(key)), true);
  });
  it('have to fit: text, key and signature; others may have signed, too', () => {
    const [ours, other] = [
      generateNoteKey('a.example/log', new Uint8Array(32)),
      generateNoteKey('w', new Uint8Array(32).fill(1)),
    ];
    const signed = signNote(text, parseNoteSecret(ours.secret));
    const witness = signNote(text, parseNoteSecret(other.secret)).split('\n').at(-2);
    const both = parseNote(`${signed}${witness}\n`);
    for (const each of [ours, other]) assert.equal(isSignedBy(both, parseNoteKey(each.public)), true);
    assert.equal(isSignedBy(parseNote(signed), parseNoteKey(other.public)), undefined);
    assert.equal(isSignedBy(parseNote(signed.replace('answer', 'Answer')), parseNoteKey(ours.public)), false);
  });
  it('and keys that are none are refused, and no secret is told', () => {
    for (const wrong of ['', 'a\n', text, `${text}\n`, `${text}\n- a b\n`, note.replace('If', '\x07'), `${note}x\n`])
      assert.throws(() => parseNote(wrong), { code: 'malformed-note' }, JSON.stringify(wrong));
    for (const wrong of ['', secret.slice(0, -2), secret.replace('c74f20a3', 'c74f20a4'), key])
      assert.throws(
        () => parseNoteSecret(wrong),
        (error: Error) => !error.message.includes('AYEKFALV') && /expected/.test(error.message),
      );
    assert.throws(() => parseNoteKey(secret), { code: 'malformed-key' });
    assert.throws(() => generateNoteKey('a+b', new Uint8Array(32)), { code: 'malformed-key' });
  });
});

describe('checkpoints', () => {
  it('are the lines of tlog-checkpoint, and come back', () => {
    const root = leafHash('x');
    const text = checkpointText({ origin: 'example.com/log', size: 20852163, root });
    assert.equal(text, `example.com/log\n20852163\n${root}\n`);
    assert.deepEqual(parseCheckpoint(text), { origin: 'example.com/log', size: 20852163, root });
    assert.equal(parseCheckpoint(`${text}extension\n`).size, 20852163);
    for (const wrong of ['', 'a\n1\n', text.replace('2085', '02085'), text.replace('2085', '-'), text.slice(0, -1)])
      assert.throws(() => parseCheckpoint(wrong), { code: 'malformed-note' }, JSON.stringify(wrong));
  });
});
