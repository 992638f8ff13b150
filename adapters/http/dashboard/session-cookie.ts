/** The cookie of the dashboard's sessions. Source: RFC 6265, section 5; draft-ietf-httpbis-rfc6265bis for SameSite. */
const name = 'drover_session';
const attributes = 'Path=/; HttpOnly; SameSite=Strict';

/** Set-Cookie for a session. `secure`: a browser sends it over https alone. */
export function sessionCookie(value: string, seconds: number, secure: boolean): string {
  return `${name}=${value}; ${attributes}; Max-Age=${seconds}${secure ? '; Secure' : ''}`;
}

/** Set-Cookie that takes it from the browser. */
export const noSessionCookie: string = sessionCookie('', 0, false);

/**
 * The value in a Cookie header; `undefined` if there is none. Of several the browser has got some from elsewhere, as from another host below the same
 * domain, and nothing says which is ours: then it is as if there were a broken one.
 */
export function sessionOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const values = header.split(';').flatMap((pair) => {
    const [key, ...value] = pair.split('=');
    return key?.trim() === name ? [value.join('=').trim()] : [];
  });
  return values.length > 1 ? '' : values[0];
}
