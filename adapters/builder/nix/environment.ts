/**
 * What a daemon of ours gets of our environment without being asked: what programs need to find programs, folders,
 * certificates and languages. A fixed output can read all of it (`impureEnvVars`), so nothing else goes to it.
 */
const harmless = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'TZ', 'LANG', 'LC_ALL'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NIX_SSL_CERT_FILE'],
];

/** Those of `environment` that are harmless or named in `more`, such as `http_proxy`. */
export function allowedEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  more: readonly string[] = [],
): Record<string, string> {
  const allowed: Record<string, string> = {};
  for (const name of [...harmless, ...more]) {
    const value = environment[name];
    if (value !== undefined) allowed[name] = value;
  }
  return allowed;
}
