import type { ServedUpstreamItem } from '../../../../coordinator/application.ts';
import {
  type GuixItem,
  type GuixNar,
  guixNarUrl,
  guixSignedText,
  isCompressedName,
  renderGuixNarinfo,
} from '../../../../domain/guix/narinfo.ts';
import { hashOfSigned, signatureField, unpackSignature } from '../../../../domain/guix/packed-signature.ts';
import type { GuixCompression } from '../../../../domain/hook/compressions.ts';
import type { UnsignedItem } from '../../../../domain/item/events.ts';
import { createRecent } from '../../../../projections/recent.ts';
import { upstreamNarUrl } from '../upstream-url.ts';

/** What is offered to Guix, and who vouches for it. */
export interface GuixCache {
  /** As `guix archive --authorize` takes it. */
  readonly publicKey: string;
  /** The public point of the key, 32 bytes. */
  readonly point: Uint8Array;
  /** What signatures say of where they were made: nobody checks it. Without ";" and white space. */
  readonly host: string;
  /** What narinfos offer beside the file of the pool. */
  readonly compressions: readonly GuixCompression[];
  /** How long clients may remember that something is not there. */
  readonly negativeTtlSeconds: number;
  /** Signs the hash of the lines of a narinfo, as `StoreItemAdded.guixSignature` has it. */
  sign(hash: Uint8Array): Promise<string>;
}

export interface GuixNarinfos {
  of(item: UnsignedItem, storeDir: string): Promise<string>;
  /** What the coordinator believes an upstream of: its key vouches for it here, as clients need not know the upstream's. */
  ofUpstream(item: ServedUpstreamItem, storeDir: string): Promise<string>;
  /** As `StoreItemAdded.guixSignature` has it, by the key of now. @param own what the item has of it */
  signatureOf(item: GuixItem, own: string | undefined): Promise<string>;
}

/** Signatures that no event has: of items that came before there was a key, or another, and of upstreams. Each is made once and kept for a while, so many for certain. */
const mostKept = 10_000;

export function createGuixNarinfos({ point, host, compressions, sign }: Omit<GuixCache, 'publicKey'>): GuixNarinfos {
  const kept = createRecent<string, Promise<string>>(mostKept);

  function signed(hash: Buffer): Promise<string> {
    const key = hash.toString('base64');
    let signature = kept.get(key);
    if (signature === undefined) {
      signature = sign(hash);
      signature.catch(() => kept.delete(key));
      kept.set(key, signature);
    }
    return signature;
  }

  const isOfNow = (own: string): boolean => Buffer.from(own, 'base64').subarray(0, 32).equals(point);
  const packed = async (hash: Buffer, own: string | undefined): Promise<string> =>
    own !== undefined && isOfNow(own) ? own : signed(hash);

  async function render(item: GuixItem, nars: readonly GuixNar[], own: string | undefined): Promise<string> {
    const text = guixSignedText(item);
    const hash = hashOfSigned(text);
    return renderGuixNarinfo(text, signatureField(unpackSignature(await packed(hash, own), hash), host), nars);
  }

  return {
    signatureOf: (item, own) => packed(hashOfSigned(guixSignedText(item)), own),
    of(item, storeDir) {
      const { path, file, narSize } = item;
      const others = compressions.map(({ method }) => method);
      // As guix publish does: nothing is gained by compressing twice, and what is not compressed has a size.
      const all = new Set([file.compression, ...(others.length > 0 && isCompressedName(path) ? ['none'] : others)]);
      const nars = [...all].map((compression) => {
        const known = { [file.compression]: file.size, none: narSize }[compression];
        return { url: guixNarUrl(path, compression), compression, fileSize: known };
      });
      return render({ ...item, storePath: `${storeDir}/${path}` }, nars, item.guixSignature);
    },
    ofUpstream(item, storeDir) {
      const nar = { url: upstreamNarUrl(item), compression: 'none', fileSize: item.narSize };
      return render({ ...item, storePath: `${storeDir}/${item.path}` }, [nar], undefined);
    },
  };
}
