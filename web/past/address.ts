/** Pages as of a moment have it before the address that they have without it: `/at/0000000000004711/builds/b-1`. */
const form = /^\/at\/([^/?#]+)(?=[/?#]|$)/;

/** These are of no moment: whoever logs in does it now, tokens are for now, and a difference has two moments. */
const ofNone = /^\/(login|tokens|difference|at)(?=[/?#]|$)/;

/** The moment in a path as it is written there: a position, or what stands for one. */
export function momentIn(pathname: string): string | undefined {
  const text = form.exec(pathname)?.[1];
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The same page as it is now. */
export function withoutMoment(address: string): string {
  const rest = address.replace(form, '');
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The same page as of that moment, or now where there is none. An address that says for itself when it is stays as it is. */
export function atMoment(moment: string | undefined, address: string): string {
  if (moment === undefined || !address.startsWith('/') || address.startsWith('//') || ofNone.test(address))
    return address;
  return `/at/${encodeURIComponent(moment)}${address}`;
}
