import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import { renderNarinfo } from '../../domain/store/narinfo.ts';
import { generateSigningKey, sign } from '../../domain/store/signature.ts';
import { fakeSha256 } from '../../test/support/paths.ts';

/** A thread that is a cache with signed narinfos, each of which takes `latencyMs`; posts its port and its key. */
const { items, latencyMs } = workerData as {
  readonly items: readonly { readonly path: string; readonly references: readonly string[] }[];
  readonly latencyMs: number;
};
const { secret, public: publicKey } = generateSigningKey('bench-up-1', new Uint8Array(32));
const narinfos = new Map(
  items.map(({ path, references }) => {
    const said = { storePath: `/nix/store/${path}`, narHash: fakeSha256(1), narSize: 1000, references };
    const signatures = [sign(secret, fingerprint(said))];
    return [`/${path.slice(0, 32)}.narinfo`, renderNarinfo({ ...said, url: 'nar/1', compression: 'xz', signatures })];
  }),
);
const server = createServer((request, response) => {
  setTimeout(() => {
    const text = narinfos.get(request.url as string);
    response.writeHead(text === undefined ? 404 : 200).end(text);
  }, latencyMs);
}).listen(0, '127.0.0.1', () => {
  parentPort?.postMessage({ port: (server.address() as AddressInfo).port, publicKey });
});
