import { after, before, describe } from 'node:test';
import { openNatsEventStore } from '../../adapters/event-store/nats/store.ts';
import { type NatsServer, natsServerVersions, startNatsServer } from '../support/nats-server.ts';
import { eventStoreContract } from './event-store.ts';

for (const [version, { name, skip, program }] of natsServerVersions.entries())
  describe(name, { skip }, () => {
    let server: NatsServer;
    let place = 0;
    before(async () => {
      server = await startNatsServer('', program);
    });
    after(() => server[Symbol.asyncDispose]());

    eventStoreContract(
      'nats',
      async () => {
        const options = { servers: [`127.0.0.1:${server.port}`], stream: `PLACE_${place++}` };
        return {
          open: () => openNatsEventStore({ ...options, writer: { holder: 'the contract' } }),
          openRival: () => openNatsEventStore({ ...options, writer: 'shared' }),
          async restartServer() {
            await server.kill();
            await server.restart();
          },
          [Symbol.asyncDispose]: async () => {},
        };
      },
      // Many of them are the store's own matter, whatever the server: once is enough.
      { reopens: true, rivals: true, restarts: true, manyStreams: version === 0 ? 20_000 : 2_000 },
    );
  });
