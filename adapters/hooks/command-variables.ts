import type { HookDelivery } from '../../coordinator/ports/hook-transport.ts';

/** What a command gets of the coordinator's own environment; nothing that Drover, or whoever started it, keeps secret there. */
const inherited = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TZ',
  'TMPDIR',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];

/** The environment of a command for one delivery; what an event has nothing to say of is left out. */
export function hookVariables(
  { hook, event, facts, attempt, traceparent }: Omit<HookDelivery, 'target' | 'log'>,
  environment: NodeJS.ProcessEnv,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const name of Object.keys(environment)) {
    const value = environment[name];
    if (value !== undefined && (inherited.includes(name) || name.startsWith('LC_'))) variables[name] = value;
  }
  variables.PATH ??= '/usr/local/bin:/usr/bin:/bin';
  const dash = event.stream.indexOf('-');
  const category = event.stream.slice(0, dash);
  const subject = event.stream.slice(dash + 1);
  const data = (typeof event.data === 'object' && event.data !== null ? event.data : {}) as Record<string, unknown>;
  const own: Record<string, unknown> = {
    HOOK: hook,
    ATTEMPT: attempt,
    EVENT_ID: `${event.stream}@${event.revision}`,
    EVENT_TYPE: event.type,
    EVENT_STREAM: event.stream,
    EVENT_TIME: new Date(event.at).toISOString(),
    BUILD: category === 'build' ? subject : undefined,
    SUBMISSION: category === 'submission' ? subject : category === 'build' ? event.meta.correlation : undefined,
    NAME: facts.name,
    SYSTEM: facts.system,
    AGENT: facts.agent,
    FAILURE_CLASS: facts.class,
    MESSAGE: data.message,
    REASON: data.reason,
    PATH: category === 'item' || category === 'derivation' ? data.path : undefined,
    TAGS: facts.tags === undefined ? undefined : JSON.stringify(facts.tags),
  };
  // No variable can hold a NUL.
  for (const [name, value] of Object.entries(own))
    if (typeof value === 'string' || typeof value === 'number')
      variables[`DROVER_${name}`] = String(value).replaceAll('\0', '');
  // By the name that OpenTelemetry gives it, for whatever of it goes on with the trace.
  if (traceparent !== undefined) variables.TRACEPARENT = traceparent;
  return variables;
}
