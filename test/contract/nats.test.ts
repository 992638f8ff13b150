import { after, before, describe } from 'node:test';
import { openNatsEventStore } from '../../adapters/event-store/nats/store.ts';
import { type NatsServer, natsServerVersions, startNatsServer } from '../support/nats-server.ts';
import { eventStoreContract } from './event-store.ts';

for (const { name, skip, program, whole } of natsServerVersions)
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
      { reopens: true, rivals: true, restarts: true, manyStreams: 10_000, serverOnly: !whole },
    );
  });
