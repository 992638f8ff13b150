/** What a connection string says, as far as we must know; the client reads the rest by itself. */
export interface EsdbUrl {
  /** For the client, as given. */
  readonly connectionString: string;
  /** For messages: without user and password. */
  readonly display: string;
  readonly tls: boolean;
}

/** Parameters of https://developers.eventstore.com/clients/grpc/getting-started, in the client's spelling. */
const parameters: Record<string, RegExp> = {
  tls: /^(true|false)$/,
  tlscafile: /./,
  usercertfile: /./,
  userkeyfile: /./,
  connectionname: /./,
  nodepreference: /^(leader)$/i,
  maxdiscoverattempts: /^[1-9][0-9]*$/,
  discoveryinterval: /^[1-9][0-9]*$/,
  gossiptimeout: /^[1-9][0-9]*$/,
  defaultdeadline: /^[1-9][0-9]*$/,
  keepaliveinterval: /^(-1|[1-9][0-9]{4,})$/,
  keepalivetimeout: /^(-1|[1-9][0-9]*)$/,
};

function refuse(expected: string, got: string): never {
  throw new TypeError(`Event store URL: expected ${expected}, got ${JSON.stringify(got)}`);
}

/**
 * Checks a connection string before the client sees it, which would ignore what it does not know:
 * `esdb://[user:password@]host[:port][,host[:port]…][?tls=false&…]` or `esdb+discover://…`. Throws a TypeError that
 * names the part and what was expected. `nodePreference` may only be `leader`: a follower lags behind acknowledged writes.
 */
export function parseEsdbUrl(text: string): EsdbUrl {
  const parts = /^(esdb(?:\+discover)?):\/\/(?:([^@/?]*)@)?([^/?@]*)\/?(?:\?(.*))?$/.exec(text);
  if (!parts) refuse('esdb://host:port or esdb+discover://host:port', text.replace(/\/\/[^@]*@/, '//…@'));
  const [, scheme, user, hosts = '', query = ''] = parts;
  if (user !== undefined && !/^[^:]+:.+$/.test(user)) refuse('user:password before @', user.replace(/:.*/, ':…'));
  for (const host of hosts.split(',')) {
    const found = /^[a-zA-Z0-9._-]+(?::([0-9]{1,5}))?$/.exec(host);
    if (!found || Number(found[1] ?? 1) > 65_535 || found[1] === '0') refuse('host or host:port', host);
  }
  let tls = true;
  for (const pair of query === '' ? [] : query.split('&')) {
    const [name = '', value = ''] = pair.split('=');
    const key = name.toLowerCase().replaceAll(/[_-]/g, '');
    const allowed = parameters[key];
    if (!allowed) refuse(`a parameter out of ${Object.keys(parameters).join(', ')}`, name);
    if (!allowed.test(value)) refuse(`${name} to match ${allowed.source}`, value);
    if (key === 'tls') tls = value === 'true';
  }
  if (user !== undefined && !tls)
    refuse('no user and password where tls=false (the client would not send them)', 'both');
  return { connectionString: text, display: `${scheme}://${hosts}`, tls };
}
