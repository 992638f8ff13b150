import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parser } from '@asyncapi/parser';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { envelopeOf, sourceOf } from '../../../adapters/http/event-envelope.ts';
import { asyncapiDocument, eventSchema } from '../../../adapters/http/event-schemas.ts';
import { eventTypes } from '../../../domain/events.ts';
import { simulateFarm } from '../../projections/views/random-farm.ts';
import { harness } from './harness.ts';

function validator() {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  return ajv;
}

test('every event of a simulated farm is valid by the schema that is given out for its type', async () => {
  const ajv = validator();
  const schemas = new Map(Array.from(eventTypes, ([name, type]) => [name, ajv.compile(eventSchema(type))]));
  const seen = new Set<string>();
  const steps = fc.array(fc.record({ does: fc.nat(1000), pick: fc.nat(10_000) }), { minLength: 100, maxLength: 120 });
  for (const event of fc.sample(steps, { numRuns: 10, seed: 7 }).flatMap((taken) => simulateFarm(taken).events)) {
    if (!eventTypes.has(event.type)) continue; // Of a later version, which that farm has too.
    const validate = schemas.get(event.type);
    for (const scope of ['read', 'admin'] as const) {
      const envelope = JSON.parse(JSON.stringify(envelopeOf(event, sourceOf('c-1'), scope)));
      assert.ok(validate?.(envelope), `${event.type}: ${ajv.errorsText(validate?.errors)}`);
    }
    seen.add(event.type);
  }
  assert.ok(seen.size >= 12, `only ${[...seen].join(', ')}`);
});

test('a schema refuses what is no such event', () => {
  const validate = validator().compile(eventSchema(eventTypes.get('BuildStarted') as never));
  const meta = { actor: 'a' };
  const event = { type: 'BuildStarted', version: 1, data: { attempt: 1 }, stream: 'build-s-1', revision: 2 } as const;
  const envelope = envelopeOf({ ...event, position: '1', commit: 'c', at: 0, meta }, sourceOf('c'), 'read');
  assert.ok(validate(envelope));
  for (const wrong of [
    { ...envelope, data: { attempt: 0 } },
    { ...envelope, data: {} },
    { ...envelope, type: 'drover.BuildFailed' },
    { ...envelope, type: 'BuildStarted' },
    { ...envelope, stream: 'item-1' },
    { ...envelope, id: undefined },
  ])
    assert.ok(!validate(JSON.parse(JSON.stringify(wrong))), JSON.stringify(wrong));
});

test('each schema is to be had by its type, listed, and anything else is refused by name', async () => {
  await using server = await harness();
  const listed = (await server.ask(undefined, { url: '/v1/schemas' })).json() as { type: string; name: string }[];
  assert.deepEqual(
    listed.map(({ name }) => name),
    [...eventTypes.keys()],
  );
  for (const { type, name } of listed) {
    assert.equal(type, `drover.${name}`);
    const answer = await server.ask(undefined, { url: `/v1/schemas/${type}` });
    assert.match(String(answer.headers['content-type']), /^application\/schema\+json/);
    assert.equal(answer.json().title, name);
    assert.equal(answer.json().properties.type.const, type);
    assert.equal((await server.ask(undefined, { url: `/v1/schemas/${name}` })).body, answer.body);
  }
  const unknown = await server.ask(undefined, { url: '/v1/schemas/BuildExploded' });
  assert.equal(unknown.statusCode, 404);
  assert.match(unknown.json().detail, /type: .*BuildExploded/);
});

test('AsyncAPI’s own parser has nothing to say against the document', async () => {
  await using server = await harness();
  const { body } = await server.ask(undefined, { url: '/v1/asyncapi.json' });
  const parser = new Parser();
  assert.deepEqual(await parser.validate(body), []);
  const { document } = await parser.parse(body);
  assert.equal(document?.messages().length, eventTypes.size);
  const broken = asyncapiDocument('1') as { channels: { events: { messages: Record<string, object> } } };
  broken.channels.events.messages.Nothing = { $ref: '#/components/messages/Nothing' };
  assert.notDeepEqual(await parser.validate(JSON.stringify(broken)), [], 'the parser does refuse');
});
