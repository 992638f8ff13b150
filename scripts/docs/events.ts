import { readFileSync } from 'node:fs';
import { agentAbilities } from '../../domain/agent/events.ts';
import { builderFailures, infrastructureFailures } from '../../domain/build/failure-class.ts';
import { eventsByCategory } from '../../domain/events.ts';
import { buildOptions } from '../../domain/submission/events.ts';
import { fieldComments } from './field-comments.ts';
import { type FieldText, fieldTexts, namedSchemas } from './schema-text.ts';

/** docs/events.md: every event, when it happens, its fields. Made from the schemas, so that it cannot be wrong. */
export function eventsPage(): string {
  const parts = [head(), words()];
  for (const [category, types] of Object.entries(eventsByCategory)) {
    const comments = commentsOf(category);
    parts.push(`## Stream \`${category}-…\``);
    for (const { type, version, when, schema } of types) {
      parts.push(`### ${type}\n\n${when}\n\nSchema version ${version}.`);
      parts.push(
        fieldTable(fieldTexts(schema), (field) => comments.get(`${type}.${field}`) ?? comments.get(`.${field}`)),
      );
    }
  }
  return `${parts.join('\n\n')}\n`;
}

function head(): string {
  return `# Events

<!-- Made by scripts/generate-docs.ts from domain/**/events.ts; do not edit. -->

Everything that happens is an event, and nothing else is stored that counts: what Drover knows is what you get by
folding them. An event never changes and never goes away. Readers have to put up with types and fields that they do
not know.

\`GET /v1/events\` and \`drover events tail --json\` give each event in an envelope of
[CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md):

| field | meaning |
|---|---|
| \`id\` | \`<stream>@<revision>\`; one event has one id for ever |
| \`source\` | which log: \`urn:drover:log:\` and the id of its first commit. With \`id\`, unique in the world |
| \`specversion\`, \`datacontenttype\` | always \`1.0\`, \`application/json\` |
| \`type\` | \`drover.\` and one of the names below: \`drover.BuildFailed\`. Where a type is asked for, the name alone will do; \`DROVER_EVENT_TYPE\` of hooks and \`event:\` of server-sent events have the name alone |
| \`subject\`, \`stream\` | the thing that it happened to: \`build-…\`, \`agent-…\` |
| \`revision\` | its place in the stream: 0, 1, 2 … |
| \`position\` | its place in the whole log; opaque, and as text in the order of the log. Give the last one back to go on: \`Last-Event-ID\`, or \`--from\` |
| \`time\` | when the coordinator decided it |
| \`version\` | schema version of \`data\`: readers get the newest, whenever an event was written. \`/v1/schemas/<type>\` is its JSON Schema |
| \`actor\` | who did it: a token, an agent, or a part of the coordinator |
| \`correlation\`, \`causation\`, \`traceparent\` | the submission or command that it belongs to, what led to it, its trace; where there is one |
| \`data\` | the fields below |`;
}

function words(): string {
  const rows = namedSchemas.map(([, name, meaning]) => `| ${name} | ${meaning} |`);
  const classes = (list: readonly string[]) => list.map((name) => `\`${name}\``).join(', ');
  return `## Words for types

| type | meaning |
|---|---|
${rows.join('\n')}
| failure class | the build's own fault, uses up an attempt: ${classes(builderFailures)}; the fault of a machine or the network, uses up none: ${classes(infrastructureFailures)} |

Build options:

${fieldTable(fieldTexts(buildOptions), (field) => optionMeanings[field])}

Abilities:

${fieldTable(fieldTexts(agentAbilities), (field) => commentsOf('agent').get(`.${field}`))}`;
}

const optionMeanings: Readonly<Record<string, string>> = {
  priority: 'higher goes first',
  maxAttempts: 'how many attempts may fail by the fault of the build',
  timeoutSeconds: 'longest time of one attempt',
  maxSilentSeconds: 'longest time of one attempt without output',
  tags: 'what the client wants to find it by',
};

function commentsOf(category: string): ReadonlyMap<string, string> {
  return fieldComments(readFileSync(new URL(`../../domain/${category}/events.ts`, import.meta.url), 'utf8'));
}

function fieldTable(fields: readonly FieldText[], meaning: (field: string) => string | undefined): string {
  if (fields.length === 0) return 'No fields.';
  const rows = fields.map(
    ({ name, optional, type }) => `| \`${name}\` | ${type} | ${optional ? 'no' : 'yes'} | ${meaning(name) ?? ''} |`,
  );
  return `| field | type | always there | meaning |\n|---|---|---|---|\n${rows.join('\n')}`;
}
