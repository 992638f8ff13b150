import * as z from 'zod';
import type { EventType } from '../../domain/event.ts';
import { wireType } from '../../domain/event-name.ts';
import { type Category, eventsByCategory, eventTypes } from '../../domain/events.ts';
import type { EventEnvelope } from './event-envelope.ts';

/** JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const text = z.string();

/** The envelope of any event. */
export const envelope = z.object({
  specversion: z.literal('1.0'),
  id: text.describe('`<stream>@<revision>`; unique with `source`'),
  source: text.describe('`urn:drover:log:` and the id of the log’s first commit'),
  type: text.describe('`drover.` and the name of the event'),
  subject: text.describe('the stream'),
  time: z.iso.datetime().describe('when the coordinator decided it'),
  datacontenttype: z.literal('application/json'),
  stream: text.describe('the thing that it happened to'),
  revision: z.int().min(0).describe('its place in the stream'),
  position: text.describe('its place in the whole log: a reader goes on from the last one'),
  version: z.int().min(1).describe('schema version of `data`'),
  actor: text.describe('who did it: a token, an agent, or a part of the coordinator'),
  correlation: text.exactOptional().describe('the submission or command that it belongs to'),
  causation: text.exactOptional().describe('the event or command that led to it'),
  traceparent: text.exactOptional().describe('W3C trace context'),
  data: z.unknown(),
}) satisfies z.ZodType<EventEnvelope>;

function categoryOf(type: string): Category {
  const found = Object.entries(eventsByCategory).find(([, types]) => types.some((each) => each.type === type));
  return found?.[0] as Category;
}

/** The envelope of an event of a type with its data, in the newest version; what only admins see is not required. */
export function eventSchema({ type, version, when, schema, adminOnly }: EventType): JsonSchema {
  const data = z.toJSONSchema(schema, { unrepresentable: 'any' }) as { required?: string[] } & JsonSchema;
  const { $schema, ...described } = data;
  const required = data.required?.filter((field) => !adminOnly.includes(field));
  const { properties, ...rest } = z.toJSONSchema(envelope) as { properties: Record<string, JsonSchema> } & JsonSchema;
  return {
    ...rest,
    title: type,
    description: when,
    properties: {
      ...properties,
      type: { const: wireType(type) },
      stream: { ...properties.stream, pattern: `^${categoryOf(type)}-` },
      version: { const: version },
      data: { ...described, ...(required !== undefined && { required }) },
    },
    // Readers have to put up with what a later version adds.
    additionalProperties: true,
  };
}

/** AsyncAPI 3.1: the events of the log as one channel with a message for each type. Source: AsyncAPI specification 3.1.0. */
export function asyncapiDocument(version: string): JsonSchema {
  const messages = Object.fromEntries(
    Array.from(eventTypes.values(), (type) => [
      type.type,
      {
        name: wireType(type.type),
        title: type.type,
        summary: type.when,
        contentType: 'application/cloudevents+json',
        payload: eventSchema(type),
      },
    ]),
  );
  return {
    asyncapi: '3.1.0',
    info: {
      title: 'Drover',
      version,
      description: 'Everything that happens on a build farm, in order, from the first event on.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/cloudevents+json',
    channels: {
      events: {
        address: '/v1/events',
        title: 'The log',
        description:
          'GET, as server-sent events or lines of JSON; the OpenAPI document has its parameters. Each event has an envelope of CloudEvents 1.0.',
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
      },
    },
    operations: {
      readEvents: {
        action: 'send',
        channel: { $ref: '#/channels/events' },
        summary: 'The coordinator sends events from a position on, in the order of the log.',
        security: [{ $ref: '#/components/securitySchemes/token' }],
      },
    },
    components: {
      messages,
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token of scope read or wider.' } },
    },
  };
}
