import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { decodeFromCoordinator, encodeFromAgent } from '../../../adapters/agent-link/frames.ts';
import type { FromAgent, FromCoordinator, Hello } from '../../../domain/agent/messages.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { createMailbox } from '../../support/mailbox.ts';

export const hello: Hello = {
  kind: 'hello',
  protocol: 1,
  version: '0.1.0',
  builder: 'nix 2.8.0',
  session: 'a-1',
  storeDir: '/nix/store',
  abilities: { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 2 },
  running: [],
};

/** A WebSocket that speaks frames and decides nothing: tests say what it sends, well-formed or not. */
export interface RawAgent {
  readonly socket: WebSocket;
  send(frame: FromAgent): void;
  /** The next frame of the coordinator. */
  next(): Promise<FromCoordinator>;
  /** The next frame, which has to be of this kind. */
  expect<Kind extends FromCoordinator['kind']>(kind: Kind): Promise<Extract<FromCoordinator, { kind: Kind }>>;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
}

export async function dial(url: string, options: { token?: string; autoPong?: boolean } = {}): Promise<RawAgent> {
  const { token = secretOfScope('agent'), autoPong = true } = options;
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/agent-link`, {
    headers: { authorization: `Bearer ${token}` },
    autoPong,
  });
  const frames = createMailbox<FromCoordinator>();
  const closed = Promise.withResolvers<number>();
  socket.on('message', (data: Buffer) => {
    const { frame, fault } = decodeFromCoordinator(data);
    assert.equal(fault, undefined);
    frames.put(frame as FromCoordinator);
  });
  socket.on('close', (code) => closed.resolve(code));
  await once(socket, 'open');
  socket.on('error', () => undefined);
  return {
    socket,
    closed: closed.promise,
    send: (frame) => socket.send(encodeFromAgent(frame)),
    next: () => frames.take(),
    async expect(kind) {
      const frame = await frames.take();
      assert.equal(frame.kind, kind, JSON.stringify(frame));
      return frame as Extract<FromCoordinator, { kind: typeof kind }>;
    },
  };
}
