import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import {
  decodeFromAgent,
  decodeFromCoordinator,
  encodeFromAgent,
  encodeFromCoordinator,
} from '../../../adapters/agent-link/frames.ts';
import { maxFrameDepth, msgpackFault } from '../../../adapters/agent-link/msgpack-scan.ts';
import type { FromAgent, FromCoordinator } from '../../../domain/agent/messages.ts';
import { maxFrameBytes } from '../../../domain/limits.ts';
import { hello } from './raw-agent.ts';

const packr = new Packr({ useRecords: false });

test('a frame is read as it was written', () => {
  const fromAgent: FromAgent[] = [
    hello,
    { ...hello, received: { session: 'c-1', n: 7 }, running: [{ build: 'b-1', attempt: 2, phase: 'building' }] },
    { kind: 'message', n: 2 ** 40, body: { type: 'started', build: 'b-1', attempt: 1 } },
    {
      kind: 'oob',
      body: { type: 'log', build: 'b-1', attempt: 1, offset: 2 ** 33, data: new Uint8Array([0, 255, 10]) },
    },
    { kind: 'oob', body: { type: 'heartbeat', load1: 0.25, freeBytes: 2 ** 41, running: 0 } },
    { kind: 'ack', n: 3 },
  ];
  for (const frame of fromAgent) {
    const { frame: read } = decodeFromAgent(encodeFromAgent(frame));
    assert.deepEqual(plain(read), plain(frame));
  }
  const fromCoordinator: FromCoordinator = {
    kind: 'message',
    n: 1,
    body: {
      type: 'allocate',
      build: 'b-1',
      attempt: 1,
      derivation: '0c7kfrczv1idqh8bzqjgrdzjh3akz8ip-hello.drv',
      text: Buffer.from('Derive('),
      inputs: [],
      timeoutSeconds: 1,
      maxSilentSeconds: 1,
      maxLogBytes: 1,
    },
  };
  assert.deepEqual(plain(decodeFromCoordinator(encodeFromCoordinator(fromCoordinator)).frame), plain(fromCoordinator));
});

test('undefined members are left out, as no extension type is allowed', () => {
  const { frame } = decodeFromAgent(encodeFromAgent({ ...hello, received: undefined }));
  assert.deepEqual(frame, hello);
});

test('a frame that is too large is neither written nor read', () => {
  const data = new Uint8Array(maxFrameBytes);
  assert.throws(
    () => encodeFromAgent({ kind: 'oob', body: { type: 'log', build: 'b', attempt: 1, offset: 0, data } }),
    RangeError,
  );
  assert.equal(decodeFromAgent(new Uint8Array(maxFrameBytes + 1)).fault?.code, 'frame-too-large');
});

test('what is not a frame is refused, naming what was expected', () => {
  const cases: [data: Uint8Array, message: RegExp][] = [
    [new Uint8Array(), /more than 0 bytes/],
    [Buffer.from('hello, not msgpack'), /more bytes/],
    [Buffer.from([0x81]), /more than 1 bytes/],
    [Buffer.from([0xc1]), /0xc1/],
    // A record of msgpackr, a timestamp, a map with a number as key.
    [new Packr({ useRecords: true }).pack({ kind: 'ack', n: 1 }), /type of the protocol/],
    [packr.pack({ kind: 'ack', n: new Date(0) }), /type of the protocol/],
    [Buffer.from([0x81, 0x01, 0x02]), /string as key/],
    // Lengths that cannot be: an array of 2^32 - 1 values, a text of 2^32 - 1 bytes.
    [Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]), /more than 5 bytes/],
    [Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff]), /more than 5 bytes/],
    [Buffer.concat([packr.pack({ kind: 'ack', n: 1 }), Buffer.from([0])]), /expected the end/],
    [nested(maxFrameDepth + 1), /nesting/],
    [nested(100_000), /nesting/],
    [packr.pack({ kind: 'unknown' }), /^kind: expected one of "hello", "message", "oob", "ack", got "unknown"$/],
    [packr.pack({ kind: 'ack' }), /^n: /],
    [packr.pack({ kind: 'message', n: 0, body: { type: 'started', build: 'b', attempt: 1 } }), /^n: /],
    [packr.pack({ kind: 'message', n: 1, body: { type: 'eaten' } }), /^body\.type/],
    // All that is wrong, not only the first of it.
    [
      packr.pack({ kind: 'message', n: 0, body: { type: 'started', build: '', attempt: 'x' } }),
      /^n: expected at least 1, got 0; body\.build: expected .*, got ""; body\.attempt: expected a number, got "x"$/,
    ],
    [packr.pack({ ...hello, storeDir: 5 }), /^storeDir: /],
    [packr.pack([1, 2]), /^frame: expected an object, got a list of 2$/],
  ];
  for (const [data, message] of cases) {
    const { fault } = decodeFromAgent(data);
    assert.equal(fault?.code, 'malformed-frame');
    assert.match(fault.message, message);
  }
});

test('nesting up to the limit is well-formed', () => {
  assert.equal(msgpackFault(nested(maxFrameDepth)), undefined);
});

test('whatever a decoder wrote without extension types passes the scan', () => {
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string(),
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array(),
      fc.array(tie('value')),
      fc.dictionary(fc.string(), tie('value')),
    ),
  })).value;
  fc.assert(
    fc.property(value, (given) => assert.equal(msgpackFault(packr.pack(given)), undefined)),
    { numRuns: 300 },
  );
});

test('any bytes are read or refused, never thrown at', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
      const { frame, fault } = decodeFromAgent(data);
      assert.ok((frame === undefined) !== (fault === undefined));
    }),
    { numRuns: 2000 },
  );
});

test('a frame with any of its bytes changed is read or refused, never thrown at', () => {
  const bytes = encodeFromAgent(hello);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
      const changed = Uint8Array.from(bytes);
      changed[at] = value;
      const { frame, fault } = decodeFromAgent(changed);
      assert.ok((frame === undefined) !== (fault === undefined));
    }),
    { numRuns: 2000 },
  );
});

/** `depth` arrays in each other. */
function nested(depth: number): Uint8Array {
  return Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);
}

/** With byte strings as plain arrays: a Buffer and a Uint8Array of the same bytes are the same here. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, member: unknown) =>
      member instanceof Uint8Array ? [...member] : isBufferJson(member) ? member.data : member,
    ),
  );
}

function isBufferJson(value: unknown): value is { data: number[] } {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value;
}
