import { readSmallFile } from '../hooks/small-file.ts';

/** What of a configuration and an environment says where traces go. */
export interface TraceSettings {
  /** As the exporter takes it; `undefined`: it takes OTEL_EXPORTER_OTLP_ENDPOINT, or that for traces alone. */
  readonly url: string | undefined;
  readonly headersFile: string | undefined;
  readonly ratio: number;
  readonly serviceName: string;
}

interface Given {
  readonly endpoint?: string | undefined;
  readonly headersFile?: string | undefined;
  readonly ratio: number;
  readonly serviceName?: string | undefined;
}

/**
 * `undefined` where there are to be no traces. Of the variables of OpenTelemetry, those that say where to, and OTEL_SDK_DISABLED; what the
 * exporter itself reads (headers, timeout, compression, certificates) stays its business.
 */
export function traceSettings(given: Given, environment: NodeJS.ProcessEnv): TraceSettings | undefined {
  const { endpoint, headersFile, ratio, serviceName = environment.OTEL_SERVICE_NAME || 'drover' } = given;
  if (environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return undefined;
  const named = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || environment.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined && !named) return undefined;
  return { url: endpoint === undefined ? undefined : tracesUrl(endpoint), headersFile, ratio, serviceName };
}

/** Source: OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP": the base URL is of all signals. */
function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (!url.pathname.endsWith('/v1/traces')) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`;
  return url.href;
}

/** Headers of a file with one `name: value` a line; empty lines and those that begin with # are left out. Throws with what is wrong. */
export async function readHeaders(file: string): Promise<Record<string, string>> {
  const text = await readSmallFile('headers file', file);
  const headers: Record<string, string> = {};
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e]*?)[ \t\r]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw new Error(`headers file ${file}: expected "name: value" on line ${index + 1}, got something else`);
    headers[name] = value;
  }
  return headers;
}
