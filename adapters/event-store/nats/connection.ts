import { readFileSync } from 'node:fs';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  Events,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  nkeyAuthenticator,
} from 'nats';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import type { Login, NatsOptions, TlsFiles } from './options.ts';

/** One connection to the servers that comes back by itself for as long as it is open. */
export interface Connection extends AsyncDisposable {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  /** Names of the servers, for messages; without any secret. */
  readonly servers: string;
  /** What is in the way, or `undefined` while connected. */
  readonly obstacle: string | undefined;
  /** Largest message that the server takes, in bytes. */
  readonly maxPayload: number;
  /** Version of the server that we are connected to. */
  readonly version: string;
  /** Resolves once connected; at once if we are. Rejects with `closed`. */
  connected(): Promise<void>;
  /** The answer to a question; rejects with `unavailable` as soon as the connection is lost, rather than when the client gives up. */
  answer<T>(question: () => Promise<T>): Promise<T>;
  /** Calls back at each change. Returns how to stop that. */
  onChange(listener: (connected: boolean) => void): () => void;
}

/** How long a question to the server may take, in milliseconds. */
export const requestTimeout = 5000;

/** Rejects with `unavailable` if no server answers or it refuses the login. */
export async function openConnection(options: NatsOptions, name: string): Promise<Connection> {
  const servers = options.servers.join(', ');
  let nc: NatsConnection;
  try {
    nc = await connect(clientOptions(options, name));
  } catch (error) {
    throw new EventStoreError(
      'unavailable',
      `NATS at ${servers}: ${error instanceof Error ? error.message : error}. Expected a nats-server with JetStream there`,
      { cause: error },
    );
  }
  const jetstream = { timeout: requestTimeout };
  const js = nc.jetstream(jetstream);
  const jsm = await nc.jetstreamManager({ ...jetstream, checkAPI: false });
  const listeners = new Set<(connected: boolean) => void>();
  let lost: Date | undefined;
  let closed = false;
  let { max_payload: maxPayload = 1024 * 1024, version = '' } = nc.info ?? {};

  const change = (connected: boolean) => {
    if (connected === (lost === undefined)) return;
    lost = connected ? undefined : new Date();
    if (nc.info) ({ max_payload: maxPayload, version } = nc.info);
    for (const listener of [...listeners]) listener(connected);
  };
  // Ends with the process at the latest: the client does not end it when the connection is closed.
  void (async () => {
    for await (const { type } of nc.status()) {
      if (type === Events.Disconnect) change(false);
      else if (type === Events.Reconnect) change(true);
    }
  })();
  void nc.closed().then(() => change(false));

  return {
    nc,
    js,
    jsm,
    servers,
    get obstacle() {
      return lost && `the connection to NATS (${servers}) is lost since ${lost.toISOString()}; reconnecting`;
    },
    get maxPayload() {
      return maxPayload;
    },
    get version() {
      return version;
    },
    connected() {
      if (closed) return Promise.reject(new EventStoreError('closed', 'The event store is closed'));
      if (!lost) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const listener = (now: boolean) => {
          if (!now && !closed) return;
          listeners.delete(listener);
          if (closed) reject(new EventStoreError('closed', 'The event store is closed'));
          else resolve();
        };
        listeners.add(listener);
      });
    },
    async answer(question) {
      const { promise, reject } = Promise.withResolvers<never>();
      const listener = () => reject(new EventStoreError('unavailable', `the connection to NATS (${servers}) is lost`));
      if (lost || closed) listener();
      listeners.add(listener);
      try {
        return await Promise.race([lost || closed ? promise : question(), promise]);
      } finally {
        listeners.delete(listener);
      }
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      await nc.close();
      for (const listener of [...listeners]) listener(false);
    },
  };
}

function clientOptions({ servers, tls, login }: NatsOptions, name: string): ConnectionOptions {
  const options: ConnectionOptions = {
    servers: [...servers],
    name,
    timeout: requestTimeout,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    reconnectJitterTLS: 100,
    // Credentials that are being renewed are refused for a moment; that is no reason to give up for ever.
    ignoreAuthErrorAbort: true,
    // A server that went without a word is noticed within two of these.
    pingInterval: 5000,
    maxPingOut: 2,
    noAsyncTraces: true,
  };
  if (tls) options.tls = tls === true ? {} : tlsOptions(tls);
  return login ? { ...options, ...loginOptions(login) } : options;
}

function tlsOptions({ ca, cert, key }: TlsFiles) {
  return { ...(ca && { caFile: ca }), ...(cert && { certFile: cert }), ...(key && { keyFile: key }) };
}

function loginOptions(login: Login): ConnectionOptions {
  switch (login.kind) {
    case 'password':
      return { user: login.user, pass: login.password };
    case 'token':
      return { token: login.token };
    // Read anew at each login, so that renewed credentials need no restart.
    case 'creds':
      return { authenticator: (nonce) => credsAuthenticator(readFileSync(login.file))(nonce) };
    case 'nkey':
      return {
        authenticator: (nonce) =>
          nkeyAuthenticator(new TextEncoder().encode(readFileSync(login.file, 'utf8').trim()))(nonce),
      };
  }
}
