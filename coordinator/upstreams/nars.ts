import type { StoreItem, UpstreamItem } from '../../domain/item/events.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { createNarVerifier } from '../../domain/store/nar-verifier.ts';
import type { Core } from '../core.ts';
import type { Items } from '../items/items.ts';
import type { Meta } from '../ports/event-store.ts';
import { type NarFault, type SignedNar, UpstreamError } from '../ports/upstream.ts';
import type { AskedUpstream } from './asking.ts';
import type { Believed } from './trust.ts';

/** Its owner, to the pool. */
const owner = 'upstreams';

/** The NAR as it comes, ended with an error where it is not as long as was said. Who reads it checks what it is. */
export async function openNar(
  { cache }: Pick<AskedUpstream, 'cache'>,
  item: Pick<UpstreamItem, 'path' | 'url' | 'compression' | 'narSize'>,
  signal: AbortSignal,
  via?: string,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const nar = await cache.nar(item, signal, via);
  return nar === undefined ? undefined : ofSize(nar, item);
}

async function* ofSize(
  nar: AsyncIterable<Uint8Array>,
  { path, narSize }: Pick<UpstreamItem, 'path' | 'narSize'>,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of nar) {
    size += chunk.length;
    if (size > narSize) throw new UpstreamError(`${path}: expected a NAR of ${narSize} bytes, got more`);
    yield chunk;
  }
  if (size < narSize) throw new UpstreamError(`${path}: expected a NAR of ${narSize} bytes, got ${size}`);
}

export const noNar: NarFault = { reason: 'the upstream does not have its NAR', how: 'wrong' };

export function notFetched({ message }: Error): NarFault {
  return { reason: `its NAR could not be fetched: ${message}`, how: 'silent' };
}

/** What is wrong with the NAR that an upstream gives of an item now; `undefined` if it is what was signed. Reads all of it; rejects where it cannot. */
export async function narFault(
  upstream: Pick<AskedUpstream, 'cache'>,
  item: SignedNar,
  signal: AbortSignal,
): Promise<NarFault | undefined> {
  if (upstream.cache.fault !== undefined) return upstream.cache.fault(item, signal);
  const nar = await openNar(upstream, item, signal);
  if (nar === undefined) return noNar;
  const verifier = createNarVerifier({ maxSize: item.narSize });
  try {
    for await (const chunk of nar) verifier.write(chunk);
    const { narHash } = verifier.end();
    if (narHash !== item.narHash)
      return { reason: `expected a NAR with ${item.narHash}, got one with ${narHash}`, how: 'wrong' };
  } catch (error) {
    if (error instanceof UpstreamError && error.isCut) return notFetched(error);
    if (error instanceof FormatError || error instanceof UpstreamError) return { reason: error.message, how: 'wrong' };
    throw error;
  }
  return undefined;
}

/** Brings the item into the pool, verified, and signed by the pool's key. Resolves with what went wrong; `undefined`: it is there. */
export async function bring(
  core: Core,
  items: Items,
  upstream: Pick<AskedUpstream, 'cache'>,
  item: Believed,
  meta: Meta,
  signal: AbortSignal,
): Promise<string | undefined> {
  // What is not read to its end would hold its connection for as long as the coordinator runs.
  const end = new AbortController();
  const nar = await openNar(upstream, item, AbortSignal.any([end.signal, signal]));
  try {
    return nar === undefined ? noNar.reason : await take(core, items, item, nar, meta);
  } finally {
    end.abort();
  }
}

/** The same of a NAR that comes. */
async function take(
  { pool, writer }: Pick<Core, 'pool' | 'writer'>,
  items: Items,
  { path, narHash, narSize, references, deriver, ca }: Believed,
  nar: AsyncIterable<Uint8Array>,
  meta: Meta,
): Promise<string | undefined> {
  const declaration = { path, narHash, narSize, references, compression: 'none', fileSize: narSize } as const;
  const begun = await pool.begin(owner, { ...declaration, ...(deriver !== undefined && { deriver }) });
  if ('refused' in begun) return begun.refused.message;
  let failure: Error | undefined;
  async function* from(offset: number): AsyncGenerator<Uint8Array> {
    let left = offset;
    try {
      for await (const chunk of nar) {
        const skipped = Math.min(left, chunk.length);
        left -= skipped;
        if (skipped < chunk.length) yield chunk.subarray(skipped);
      }
    } catch (error) {
      failure = error as Error;
      throw error;
    }
  }
  const written = begun.finished ? begun : await pool.write(begun.id, owner, begun.offset, from(begun.offset));
  if ('refused' in written) return written.refused.message;
  const upload = await pool.finished(begun.id, owner);
  if (upload === undefined) return failure?.message ?? 'its NAR was cut';
  const signed = await items.sign({ ...upload.item, ...(ca !== undefined && { ca }) } as Omit<StoreItem, 'signatures'>);
  await items.publish(upload.id, upload.item);
  items.add(signed, meta);
  await writer.durable();
  return undefined;
}
