import { packedSignature } from '../../domain/guix/packed-signature.ts';
import { type NarInfo, narinfoType, renderNarinfo } from '../../domain/store/narinfo.ts';

/** Drover's own field of a narinfo, by which a signature for Guix comes beside those for Nix. */
const field = 'GuixSignature';

/** Media type of Nix's form with that field: mirrors of Drover ask for it, nobody else. */
export const narinfoForFoldersType: string = `${narinfoType}; signature=guix`;

/** The narinfo with what Guix needs of it besides. @param guixSignature as `StoreItemAdded` has it */
export function withGuixSignature(info: NarInfo, guixSignature: string): string {
  return `${renderNarinfo(info)}${field}: ${guixSignature}\n`;
}

/** `undefined` where there is none. */
export function guixSignatureIn(narinfo: string): string | undefined {
  const found = new RegExp(`^${field}: (.*)$`, 'm').exec(narinfo)?.[1];
  return found !== undefined && packedSignature.test(found) ? found : undefined;
}
