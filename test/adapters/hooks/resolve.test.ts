import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createResolve } from '../../../adapters/hooks/resolve.ts';

const folder = await mkdtemp(join(tmpdir(), 'drover-resolve-'));
after(() => rm(folder, { recursive: true, force: true }));
const hostsFile = join(folder, 'hosts');
await writeFile(
  hostsFile,
  '# comment inside.example\n10.1.2.3 Inside.example other # here.example\nfe80::1 other\nx inside.example\n',
);
const never = new AbortController().signal;

/** A name server that knows `known.example` (IPv4 only), says that nothing else is there, and never answers for `hangs.example` (RFC 1035). */
async function startNameServer() {
  const socket = createSocket('udp4');
  let asked = Promise.withResolvers<void>();
  let hanging = 0;
  socket.on('message', (query, { port, address }) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = labels.join('.').toLowerCase();
    if (name.endsWith('hangs.example')) {
      hanging++;
      asked.resolve();
      asked = Promise.withResolvers();
      return;
    }
    const question = query.subarray(12, at + 5);
    const isKnown = name === 'known.example';
    const wantsFour = question.readUInt16BE(question.length - 4) === 1;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(isKnown && wantsFour ? 1 : 0, 6);
    header.fill(0, 8, 12);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    socket.send(Buffer.concat([header, question, ...(isKnown && wantsFour ? [answer] : [])]), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    servers: [`127.0.0.1:${(socket.address() as AddressInfo).port}`],
    async untilHanging(count: number): Promise<void> {
      while (hanging < count) await asked.promise;
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(resolve));
    },
  };
}

describe('names of hooks', () => {
  it('that nobody answers for delay no other, and let go when they are told to', async () => {
    await using dns = await startNameServer();
    const resolve = createResolve({ hostsFile, servers: dns.servers });
    const abort = new AbortController();
    const hanging = Array.from({ length: 20 }, (_, n) =>
      resolve(`h${n}.hangs.example`, abort.signal).then(
        () => assert.fail('it was found'),
        (error: Error) => error,
      ),
    );
    await dns.untilHanging(40);
    assert.deepEqual(await resolve('known.example', never), [{ address: '192.0.2.7', family: 4 }]);
    // No thread of the process waits for them.
    await lookup('localhost');
    abort.abort();
    for (const error of await Promise.all(hanging)) assert.match(String(error), /ECANCELLED/);
  });
  it('are looked up in the hosts file first', async () => {
    const resolve = createResolve({ hostsFile, servers: ['127.0.0.1:1'] });
    assert.deepEqual(await resolve('inside.EXAMPLE', never), [{ address: '10.1.2.3', family: 4 }]);
    assert.deepEqual(await resolve('other', never), [
      { address: '10.1.2.3', family: 4 },
      { address: 'fe80::1', family: 6 },
    ]);
  });
  it('that the servers do not know are asked of the system, which may', async () => {
    await using dns = await startNameServer();
    const resolve = createResolve({ hostsFile, servers: dns.servers });
    const found = await resolve('localhost', never);
    assert.ok(
      found.some(({ address }) => address === '127.0.0.1' || address === '::1'),
      JSON.stringify(found),
    );
    await assert.rejects(resolve('nowhere.invalid', never), /nowhere\.invalid/);
  });
  it('are no names where they are addresses', async () => {
    const resolve = createResolve({ servers: ['127.0.0.1:1'] });
    assert.deepEqual(await resolve('192.0.2.1', never), [{ address: '192.0.2.1', family: 4 }]);
    assert.deepEqual(await resolve('2001:db8::1', never), [{ address: '2001:db8::1', family: 6 }]);
  });
});
