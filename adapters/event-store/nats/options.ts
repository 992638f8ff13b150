/** How to reach the servers and which log there to use. {@link parseNatsUrl} makes one from a URL. */
export interface NatsOptions {
  /** `host` or `host:port`; one that answers is enough. */
  readonly servers: readonly string[];
  /** Name of the JetStream stream: capital and small letters, digits, `_` and `-`. */
  readonly stream: string;
  /** Copies of the stream in a cluster, 1 to 5. Left out: 1 for a new stream, whatever an existing one has. */
  readonly replicas?: number;
  /** `memory` is for tests: a server that stops forgets everything. */
  readonly storage?: 'file' | 'memory';
  readonly tls?: TlsFiles | true;
  readonly login?: Login;
  /** The operator's word that every server of the cluster runs with `sync_interval: always`; nothing can ask a server that. */
  readonly syncAlways?: boolean;
  /** How long after a writer has gone another may start, in seconds; from 1 on. The default is 10. */
  readonly leaseSeconds?: number;
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export type Login =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  /** Path of a `.creds` file (JWT and seed). */
  | { readonly kind: 'creds'; readonly file: string }
  /** Path of a file with the seed of a user's nkey (`SU…`). */
  | { readonly kind: 'nkey'; readonly file: string };

export const defaultStream = 'DROVER';
export const defaultLeaseSeconds = 10;
