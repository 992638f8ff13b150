import { eventSchema } from '../../adapters/http/event-schemas.ts';
import { typePrefix } from '../../domain/event-name.ts';
import { eventTypes } from '../../domain/events.ts';

type Schema = { readonly [key: string]: unknown };
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly {
    name: string;
    in: string;
    required?: boolean;
    description?: string;
    schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}
export interface OpenapiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** Operations whose body is a stream, which the document has no schema for. */
const streams: ReadonlySet<string> = new Set(['addDerivations', 'sendUploadPart']);

/**
 * `client/generated.ts`: the operations of the API that take and answer JSON, with what each asks and answers, and the data of every
 * event. Made from the OpenAPI document and the schemas of events, which are what the coordinator validates with.
 */
export function clientTypes(document: OpenapiDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => describeOperation(path, method, operation) ?? []),
  );
  const events = Array.from(eventTypes.values(), (type) => {
    const { properties } = eventSchema(type) as { properties: { data: Schema } };
    return `${comment(type.when)}readonly ${type.type}: ${typeOf(properties.data)};`;
  });
  return [
    '// Made by scripts/generate-docs.ts from the OpenAPI document and the schemas of events; do not edit.',
    '',
    '/** How each operation is asked for over HTTP; `{…}` in a path are fields of the request. */',
    'export const operations = {',
    ...operations.map(({ route }) => route),
    '} as const;',
    '',
    '/** What each operation is asked with, parameters and body in one, and what it answers. */',
    'export interface Operations {',
    ...operations.map(({ type }) => type),
    '}',
    '',
    '/** What goes before the name of an event in its type: `drover.BuildFailed`. */',
    `export const typePrefix = '${typePrefix}';`,
    '',
    '/** `data` of each event, by its name. */',
    'export interface EventData {',
    ...events,
    '}',
    '',
  ].join('\n');
}

function describeOperation(path: string, method: string, operation: Operation) {
  if (method === 'head' || streams.has(operation.operationId)) return undefined;
  const { operationId, summary, parameters = [], requestBody, responses } = operation;
  const good = Object.entries(responses).filter(([status]) => /^2/.test(status));
  const content = good[0]?.[1].content;
  const body = requestBody?.content['application/json']?.schema;
  // Streams and files have functions of their own, or none.
  if (good.length !== 1 || (requestBody && !body) || (content && !content['application/json'])) return undefined;

  const fields = new Map<string, { readonly type: string; readonly required: boolean; readonly note: string }>();
  const add = (name: string, schema: Schema, required: boolean, description?: string): void => {
    if (fields.has(name)) throw new Error(`${operationId} has two fields ${name}`);
    fields.set(name, { type: typeOf(schema), required, note: comment(description ?? schema.description) });
  };
  const asked = parameters.filter(({ in: place }) => place === 'path' || place === 'query');
  for (const { name, required, description, schema } of asked) add(name, schema, required === true, description);
  for (const [name, schema] of Object.entries(objectOf(body)?.properties ?? {}))
    add(name, schema as Schema, objectOf(body)?.required?.includes(name) === true);
  const headers = parameters.filter(({ in: place }) => place === 'header').map(({ name }) => name);
  for (const name of headers) add(name, { type: 'string' }, false);

  const query = asked.filter(({ in: place }) => place === 'query').map(({ name }) => name);
  const request = Array.from(
    fields,
    ([name, { type, required, note }]) => `${note}readonly ${key(name)}${required ? '' : '?'}: ${type};`,
  );
  const route = [
    `method: '${method.toUpperCase()}'`,
    `path: '${path}'`,
    `query: [${query.map((name) => `'${name}'`).join(', ')}]`,
    `headers: [${headers.map((name) => `'${name}'`).join(', ')}]`,
    `body: ${body !== undefined}`,
  ];
  const answer = content?.['application/json']?.schema;
  return {
    route: `${operationId}: { ${route.join(', ')} },`,
    type: `${comment(summary)}readonly ${operationId}: {\nreadonly request: ${request.length === 0 ? 'Readonly<Record<string, never>>' : `{\n${request.join('\n')}\n}`};\nreadonly answer: ${answer === undefined ? 'undefined' : typeOf(answer)};\n};`,
  };
}

/** The object of a body that may be left out. */
function objectOf(schema: Schema | undefined): { properties?: object; required?: readonly string[] } | undefined {
  const variants = (schema?.anyOf ?? schema?.oneOf) as readonly Schema[] | undefined;
  return variants === undefined ? schema : variants.find(({ type }) => type === 'object');
}

/** The TypeScript type of what a schema describes; only what our own schemas use. */
function typeOf(schema: Schema): string {
  if ('const' in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map((one) => JSON.stringify(one)).join(' | ');
  const variants = (schema.anyOf ?? schema.oneOf) as readonly Schema[] | undefined;
  if (variants) return [...new Set(variants.map(typeOf))].join(' | ');
  if (Array.isArray(schema.allOf)) return schema.allOf.map((one) => `(${typeOf(one)})`).join(' & ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ');
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      return `readonly (${typeOf((schema.items ?? {}) as Schema)})[]`;
    case 'object': {
      const { properties, required, additionalProperties } = schema as {
        properties?: Record<string, Schema>;
        required?: string[];
        additionalProperties?: Schema | boolean;
      };
      if (properties === undefined)
        return `Readonly<Record<string, ${typeof additionalProperties === 'object' ? typeOf(additionalProperties) : 'unknown'}>>`;
      const fields = Object.entries(properties).map(
        ([name, field]) =>
          `${comment(field.description)}readonly ${key(name)}${required?.includes(name) ? '' : '?'}: ${typeOf(field)};`,
      );
      return fields.length === 0 ? 'Readonly<Record<string, never>>' : `{\n${fields.join('\n')}\n}`;
    }
    default:
      return 'unknown';
  }
}

function key(name: string): string {
  return /^[a-zA-Z_]\w*$/.test(name) ? name : `'${name}'`;
}

function comment(text: unknown): string {
  return typeof text === 'string' && text !== '' ? `/** ${text.replaceAll('*/', '* /')} */\n` : '';
}
