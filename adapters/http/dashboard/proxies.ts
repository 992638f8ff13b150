import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIPv6 } from 'node:net';
import type { Principal } from '../../../coordinator/application.ts';
import type { ProxySettings } from '../../../coordinator/proxies.ts';

/** Reverse proxies that have authenticated whom they let through. */
export interface TrustedProxies {
  /** Who comes through one of them: all are one, as the proxy knows who they are. `undefined`: nobody does. */
  principalOf(request: { readonly ip: string; readonly headers: IncomingHttpHeaders }): Principal | undefined;
}

/** No token has this id. */
const id = 'proxy-user';

export function createTrustedProxies({ header, addresses, scope }: ProxySettings): TrustedProxies {
  const name = header.toLowerCase();
  const trusted = new BlockList();
  for (const address of addresses) {
    const [network = '', prefix] = address.split('/');
    const family = isIPv6(network) ? 'ipv6' : 'ipv4';
    trusted.addSubnet(network, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family);
  }
  return {
    principalOf({ ip, headers }) {
      const said = headers[name];
      if (said === undefined || said.length === 0) return undefined;
      // As a socket for both families has addresses of IPv4. Source: RFC 4291, section 2.5.5.2.
      const address = ip.replace(/^::ffff:(?=\d+\.)/i, '');
      return trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ? { id, scope } : undefined;
    },
  };
}
