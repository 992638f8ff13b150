import { after, before, describe, it } from 'node:test';
import { openNatsEventStore } from '../../adapters/event-store/nats/store.ts';
import { type NatsServer, natsServerVersion, noNatsServer, startNatsServer } from '../support/nats-server.ts';
import { eventStoreContract } from './event-store.ts';

if (noNatsServer) it('nats', { skip: noNatsServer });
else {
  describe(`nats-server ${natsServerVersion()}`, () => {
    let server: NatsServer;
    let place = 0;
    before(async () => {
      server = await startNatsServer();
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
      { reopens: true, rivals: true, restarts: true },
    );
  });
}
