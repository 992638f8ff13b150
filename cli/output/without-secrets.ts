/**
 * What is printed of settings ends up in tickets, and addresses of webhooks and commands often have a secret in them. What looks like one is
 * shown as `…`; whoever puts one where nobody would look for it is not helped.
 */
const hidden = '…';
const names = '[\\w-]*(?:token|secret|passw|pass|key|auth|credential)[\\w-]*';
const value = `(?:"[^"]*"|'[^']*'|[^\\s"']+)`;
/** `TOKEN=…`, `--api-key=…`. */
const assigned = new RegExp(`(?<![\\w-])(${names}=)${value}`, 'gi');
/** `--password …`. */
const flagged = new RegExp(`(?<![\\w-])(--?${names}\\s+)${value}`, 'gi');
const isFlag = new RegExp(`^--?${names}$`, 'i');
/** Of HTTP (RFC 9110, section 11.6.2), Standard Webhooks, and `-u user:…` of curl. */
const others = /\b(Bearer\s+|Basic\s+|whsec_|(?:^|\s)(?:-u|--user)\s+[^\s:]+:)[^\s"']+/gi;
/** Paths and queries of webhooks are what lets anybody post there. */
const address = /([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/@"']*@)?([^\s/?#"']+)([/?#][^\s"']*)?/gi;

/** A command or an address, as others may see it. */
export function withoutSecrets(text: string): string {
  return text
    .replaceAll(
      address,
      (_, scheme: string, host: string, rest = '') => `${scheme}${host}${rest.length > 1 ? `/${hidden}` : rest}`,
    )
    .replaceAll(assigned, `$1${hidden}`)
    .replaceAll(flagged, `$1${hidden}`)
    .replaceAll(others, `$1${hidden}`);
}

/** The same of a whole setting: every text in it, and of a list what follows the flag for a secret. */
export function valueWithoutSecrets<Value>(value: Value): Value {
  return publicValue(value) as Value;
}

function publicValue(value: unknown): unknown {
  if (typeof value === 'string') return withoutSecrets(value);
  if (Array.isArray(value))
    return value.map((one, n) => (isFlag.test(String(value[n - 1])) ? hidden : publicValue(one)));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, publicValue(each)]));
}
