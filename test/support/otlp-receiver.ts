import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';

/**
 * What of the OpenTelemetry protocol a receiver of traces reads: messages and numbers of fields are those of opentelemetry-proto 1.x
 * (collector/trace/v1, trace/v1, resource/v1, common/v1), without what Drover does not use.
 */
const proto = `
  syntax = "proto3";
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; }
  message InstrumentationScope { string name = 1; string version = 2; }
  message Span {
    bytes trace_id = 1;
    bytes span_id = 2;
    bytes parent_span_id = 4;
    string name = 5;
    int32 kind = 6;
    fixed64 start_time_unix_nano = 7;
    fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9;
    repeated Link links = 13;
    Status status = 15;
    fixed32 flags = 16;
  }
  message Link { bytes trace_id = 1; bytes span_id = 2; }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
`;
const request = protobuf.parse(proto).root.lookupType('ExportTraceServiceRequest');

/** A span as it came, with its ids in base 16, its attributes as an object, and its instants in milliseconds. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Message of a status of error. */
  readonly error?: string;
}

export interface OtlpReceiver extends AsyncDisposable {
  /** Base URL, as for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: ReceivedSpan[];
  readonly headers: IncomingHttpHeaders[];
  /** How it answers from here on: with a status, or never. */
  answer: number | 'never';
  /** Resolves once what is asked for is so; it is looked at when a request has come in. */
  until(isSo: () => boolean): Promise<void>;
}

/** A receiver of traces by OTLP over HTTP, as protobuf, which keeps what it gets. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const listeners = new Set<() => void>();
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      receiver.headers.push(incoming.headers);
      if (incoming.url !== '/v1/traces' || incoming.method !== 'POST') response.writeHead(404).end();
      else if (receiver.answer === 'never') incoming.socket.on('error', () => undefined);
      else {
        if (receiver.answer === 200) receiver.spans.push(...decode(Buffer.concat(chunks)));
        response.writeHead(receiver.answer, { 'content-type': 'application/x-protobuf' }).end();
      }
      for (const listener of listeners) listener();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: OtlpReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    headers: [],
    answer: 200,
    until: (isSo) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!isSo()) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}

// biome-ignore lint/suspicious/noExplicitAny: what protobufjs makes of a message, by the schema above.
type Message = any;

function decode(body: Buffer): ReceivedSpan[] {
  const { resourceSpans } = request.toObject(request.decode(body), {
    longs: String,
    arrays: true,
    objects: true,
  }) as Message;
  return resourceSpans.flatMap(({ resource, scopeSpans }: Message) =>
    scopeSpans.flatMap(({ spans }: Message) => spans.map((span: Message) => spanOf(span, attributesOf(resource)))),
  );
}

function spanOf(span: Message, resource: ReceivedSpan['resource']): ReceivedSpan {
  const { parentSpanId, status } = span;
  return {
    traceId: span.traceId.toString('hex'),
    spanId: span.spanId.toString('hex'),
    ...(parentSpanId?.length > 0 && { parentSpanId: parentSpanId.toString('hex') }),
    name: span.name,
    kind: span.kind,
    startedAt: Number(BigInt(span.startTimeUnixNano) / 1_000_000n),
    endedAt: Number(BigInt(span.endTimeUnixNano) / 1_000_000n),
    attributes: attributesOf(span),
    resource,
    links: span.links.map((link: Message) => ({
      traceId: link.traceId.toString('hex'),
      spanId: link.spanId.toString('hex'),
    })),
    ...(status?.code === 2 && { error: status.message }),
  };
}

function attributesOf({ attributes }: Message): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }: Message) => {
      const { stringValue, boolValue, intValue, doubleValue } = value;
      return [key, stringValue ?? boolValue ?? doubleValue ?? Number(intValue)];
    }),
  );
}
