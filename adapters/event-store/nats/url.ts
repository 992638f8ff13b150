import { defaultStream, type Login, type NatsOptions, type TlsFiles } from './options.ts';

const parameters = ['replicas', 'storage', 'creds', 'nkey', 'ca', 'cert', 'key', 'sync', 'lease'] as const;

/**
 * `nats://[user:password@]host[:port][,host[:port]…][/STREAM][?replicas=3&storage=file&creds=FILE&nkey=FILE&ca=FILE&cert=FILE&key=FILE&sync=always&lease=10]`;
 * `tls://` demands TLS. A user without a password is a token. Throws an Error that names what was expected; the password is never in it.
 */
export function parseNatsUrl(text: string): NatsOptions {
  const match = /^(nats|tls):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^/?#]*))?(?:\?([^#]*))?$/.exec(text);
  if (!match) throw new Error(`Expected nats://[user:password@]host[:port],…/STREAM, got ${withoutLogin(text)}`);
  const [, scheme, user, hosts = '', path = '', query = ''] = match;
  const given = parseQuery(query);
  const stream = decodeURIComponent(path) || defaultStream;
  if (!/^[0-9A-Za-z_-]{1,64}$/.test(stream))
    throw new Error(`Expected a stream of up to 64 letters, digits, _ and -, got ${JSON.stringify(stream)}`);
  const options: { -readonly [Key in keyof NatsOptions]: NatsOptions[Key] } = {
    servers: hosts.split(',').map(checkServer),
    stream,
  };
  const tls = tlsOf(given);
  if (scheme === 'tls' || tls) options.tls = tls ?? true;
  const login = loginOf(user, given);
  if (login) options.login = login;
  const { replicas, storage, sync, lease } = given;
  if (replicas !== undefined) options.replicas = wholeNumber('replicas', replicas, 1, 5);
  if (lease !== undefined) options.leaseSeconds = wholeNumber('lease', lease, 1, 3600);
  if (storage !== undefined) options.storage = oneOf('storage', storage, ['file', 'memory']);
  if (sync !== undefined) options.syncAlways = oneOf('sync', sync, ['always', 'interval']) === 'always';
  return options;
}

type Given = { [Name in (typeof parameters)[number]]?: string };

function parseQuery(query: string): Given {
  const given: Given = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const known = oneOf('a parameter', name, parameters);
    if (given[known] !== undefined) throw new Error(`Expected ${known} once`);
    if (value === '') throw new Error(`Expected a value for ${known}, got nothing`);
    given[known] = value;
  }
  return given;
}

function checkServer(server: string): string {
  if (!/^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?$/.test(server))
    throw new Error(`Expected host or host:port, got ${JSON.stringify(server)}`);
  return server;
}

function tlsOf({ ca, cert, key }: Given): TlsFiles | undefined {
  if ((cert === undefined) !== (key === undefined)) throw new Error('Expected cert and key together, got one of them');
  if (ca === undefined && cert === undefined) return undefined;
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && key !== undefined && { cert, key }) };
}

function loginOf(user: string | undefined, { creds, nkey }: Given): Login | undefined {
  if ([user, creds, nkey].filter((way) => way !== undefined).length > 1)
    throw new Error('Expected one of user:password@, creds and nkey, got several');
  if (creds !== undefined) return { kind: 'creds', file: creds };
  if (nkey !== undefined) return { kind: 'nkey', file: nkey };
  if (user === undefined) return undefined;
  const [name = '', ...password] = user.split(':');
  if (password.length === 0) return { kind: 'token', token: decodeURIComponent(name) };
  return { kind: 'password', user: decodeURIComponent(name), password: decodeURIComponent(password.join(':')) };
}

function wholeNumber(name: string, text: string, from: number, upTo: number): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < from || value > upTo)
    throw new Error(`Expected ${name} to be a whole number from ${from} to ${upTo}, got ${JSON.stringify(text)}`);
  return value;
}

function oneOf<const T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined)
    throw new Error(`Expected ${name} to be one of ${allowed.join(', ')}, got ${JSON.stringify(text)}`);
  return found;
}

function withoutLogin(text: string): string {
  return JSON.stringify(text.replace(/\/\/.*@/, '//…@'));
}
