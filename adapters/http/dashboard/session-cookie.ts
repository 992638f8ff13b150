/** The cookie of the dashboard's sessions. Source: RFC 6265, section 5; draft-ietf-httpbis-rfc6265bis for SameSite and the prefix. */
const name = 'drover_session';
/** Over https. A browser takes one of this name from this very host alone, with Secure and for all paths: no other host below the same domain can set it. */
const httpsName = `__Host-${name}`;

/** Set-Cookie for a session, of the name that fits, and for what there may be of the other name: that goes. */
export function sessionCookies(value: string, seconds: number, secure: boolean): string[] {
  return [setCookie(value, seconds, secure), setCookie('', 0, !secure)];
}

/** Set-Cookie that takes it from the browser. */
export const noSessionCookies: readonly string[] = [setCookie('', 0, false), setCookie('', 0, true)];

/** `secure`: a browser sends it over https alone. */
function setCookie(value: string, seconds: number, secure: boolean): string {
  const key = secure ? httpsName : name;
  return `${key}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure ? '; Secure' : ''}`;
}

/**
 * The value in a Cookie header; `undefined` if there is none. Where there is one of https, nothing else counts, and where `secure` says that the
 * browser came by that, nothing else is looked at. Of several the browser has got some from elsewhere, as from another host below the same domain, and
 * nothing says which is ours: then it is as if there were a broken one.
 */
export function sessionOf(header: string | undefined, secure: boolean): string | undefined {
  if (header === undefined) return undefined;
  const pairs = header.split(';').map((pair) => {
    const [key, ...value] = pair.split('=');
    return { key: key?.trim(), value: value.join('=').trim() };
  });
  const valuesOf = (wanted: string) => pairs.filter(({ key }) => key === wanted).map(({ value }) => value);
  const own = valuesOf(httpsName);
  const values = own.length > 0 || secure ? own : valuesOf(name);
  return values.length > 1 ? '' : values[0];
}

/** What a proxy says of how a browser came, in X-Forwarded-Proto. */
export const isHttps = (forwarded: string | readonly string[] | undefined): boolean =>
  /^https$/i.test(String(forwarded));
