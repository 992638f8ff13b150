import {
  type GuixNar,
  type GuixNarInfo,
  guixSignedText,
  isCompressedName,
  parseGuixNarinfo,
} from '../../domain/guix/narinfo.ts';
import { hashOfSigned, signatureField, unpackSignature } from '../../domain/guix/packed-signature.ts';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import type { GuixCompression } from '../../domain/hook/compressions.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { type CachedItem, cachedItem } from './cache-folder.ts';
import { guixSignatureIn } from './guix-signature-field.ts';

/**
 * What Guix needs of a narinfo of the coordinator; its text is what is signed, with the signature.
 *
 * @throws FormatError `malformed-narinfo`, also where it is not signed for Guix
 */
export function guixItemOf(served: string): CachedItem {
  const { path, info, from } = cachedItem(served);
  const packed = guixSignatureIn(served);
  if (packed === undefined)
    throw new FormatError('malformed-narinfo', `expected one that is signed for Guix, got ${path} without`);
  const signed = guixSignedText(info);
  const text = signed + Buffer.from(unpackSignature(packed, hashOfSigned(signed)), 'latin1').toString('base64');
  return { path, info: { ...info, url: urlOf(path) }, text, from };
}

/** The `Signature` of the narinfo that Guix reads. @param host whose name Guix shows nobody, and which is not looked at */
export function signatureOf({ text, info }: CachedItem, host: string): string {
  const signature = text.slice(guixSignedText(info).length);
  return signatureField(Buffer.from(signature, 'base64').toString('latin1'), host);
}

/**
 * Reads the narinfo of a folder.
 *
 * @throws FormatError `malformed-narinfo`
 */
export function itemInFolder(narinfo: string): { readonly item: CachedItem; readonly nars: readonly GuixNar[] } {
  const said: GuixNarInfo = parseGuixNarinfo(narinfo, guixStoreDir);
  const { storePath, narHash, narSize, references, deriver, nars } = said;
  const path = storePath.slice(guixStoreDir.length + 1);
  const info: NarInfo = {
    storePath,
    url: urlOf(path),
    compression: 'none',
    narHash,
    narSize,
    references,
    signatures: [],
    ...(deriver !== undefined && { deriver }),
  };
  const signature = /^1;[^;]*;(.*)$/.exec(said.signature ?? '')?.[1] ?? '';
  return { item: { path, info, text: guixSignedText(said) + signature, from: '' }, nars };
}

/** What its NARs are known by; each is a file of this name, in the folder of its compression. */
export const urlOf = (path: string): string => `${path}.nar`;

/** In which compressions an item is in the folder; guix publish looks for it by the first. */
export function compressionsOf(path: string, configured: readonly GuixCompression[]): readonly GuixCompression[] {
  return isCompressedName(path) ? [{ method: 'none' }] : configured;
}
