import * as z from 'zod';

/** Reverse proxies that say, in a header, that they have authenticated whom they let through. */
export interface ProxySettings {
  readonly header: string;
  /** IP addresses, or networks as `ADDRESS/BITS`. */
  readonly addresses: readonly string[];
  /** What who comes through one may do. */
  readonly scope: 'read' | 'submit' | 'admin';
}

const address = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
  error: 'expected an IP address, or a network like 10.1.0.0/16',
});

/** Settings of such proxies; the two without which there are none come together or not at all. */
export const proxyFields = {
  proxyHeader: z
    .string()
    .regex(/^[0-9A-Za-z-]{1,64}$/, 'expected the name of a header')
    .refine((name) => !/^(authorization|cookie|host|origin)$/i.test(name), 'expected a header of the proxy alone')
    .optional()
    .describe(
      'Header by which a reverse proxy says that it has authenticated a person, like X-Forwarded-User: who has it and comes from dashboard.proxy-addresses needs no token. The proxy has to remove it from what comes to it.',
    ),
  proxyAddresses: z
    .array(address)
    .max(100)
    .default([])
    .describe('Addresses that dashboard.proxy-header is believed from: IP addresses, or networks like 10.1.0.0/16.'),
  proxyScope: z
    .enum(['read', 'submit', 'admin'])
    .default('read')
    .describe('What a person may do who comes through that proxy, as the scope of a token says it.'),
};

export function proxySettingsOf(dashboard: {
  readonly proxyHeader?: string | undefined;
  readonly proxyAddresses: readonly string[];
  readonly proxyScope: ProxySettings['scope'];
}): ProxySettings | undefined {
  const { proxyHeader: header, proxyAddresses: addresses, proxyScope: scope } = dashboard;
  return header === undefined ? undefined : { header, addresses, scope };
}
