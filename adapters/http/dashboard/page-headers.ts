/**
 * Headers of every answer that is HTML: nothing in a page can come from elsewhere, be inline or be sent elsewhere, whatever names and logs of builds
 * say, and no other page can hold it or be held by it. Source: Content Security Policy Level 3; Referrer Policy; HTML, section 7.1.3 (COOP).
 */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};
