import { createNarVerifier } from '../../domain/store/nar-verifier.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { TransferError } from '../ports/transfer-error.ts';

/**
 * Passes a NAR on while it is checked: what is not well-formed never reaches the store, and one that ends with another
 * hash or size than the narinfo says throws instead of ending.
 */
export async function* verifiedNar(info: NarInfo, nar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const verifier = createNarVerifier({ maxSize: info.narSize });
  for await (const chunk of nar) {
    verifier.write(chunk);
    yield chunk;
  }
  const { narHash, narSize } = verifier.end();
  if (narHash !== info.narHash || narSize !== info.narSize) {
    throw new TransferError(
      'wrong-nar',
      `${info.storePath}: expected a NAR of ${info.narSize} bytes with ${info.narHash}, got ${narSize} bytes with ${narHash}`,
      { status: 1 },
    );
  }
}
