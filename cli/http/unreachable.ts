import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';

const inFlag = '--url, DROVER_URL or the context';
/** What trusts the authority that a farm signs its certificates with. Source: Node's command-line documentation. */
const trust =
  "have Node trust its authority: NODE_EXTRA_CA_CERTS=FILE names a certificate to trust, NODE_USE_SYSTEM_CA=1 takes the system's";

/** What is wrong with a certificate, by the code of OpenSSL or Node, and what to do. */
const certificates: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  CERT_HAS_EXPIRED: [
    'its certificate has expired',
    "renew it on the server, or set this machine's clock if it is wrong",
  ],
  CERT_NOT_YET_VALID: ['its certificate is not valid yet', "set this machine's clock if it is wrong"],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['its certificate is signed by itself', trust],
  SELF_SIGNED_CERT_IN_CHAIN: ['its certificate is signed by an authority that is not known here', trust],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['its certificate is signed by an authority that is not known here', trust],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'its certificate cannot be verified: the authority is not known here, or the server leaves out certificates between',
    trust,
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: ['its certificate is for another name', `use a name that it is for in ${inFlag}`],
};

const stoppedThen = 'if it was stopped just then, what was asked for may have been done all the same';

/** What to say of a connection that could not be made or broke. */
export function unreachable(url: string, error: unknown): CliError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const { code = '', reason: detail } = cause as { code?: string; reason?: string };
  const options = { cause: error };
  if (code === 'ECONNREFUSED') {
    return new CliError('connection-refused', `no coordinator answers at ${url}: the connection was refused`, {
      ...options,
      mayPass: { untouched: true },
      hint: `is it running (drover coordinator), and is the address right (${inFlag})?`,
    });
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new CliError('host-unknown', `no coordinator at ${url}: the host name is not known`, {
      ...options,
      hint: `check ${inFlag}`,
    });
  }
  const otherScheme = `if it serves HTTPS, write ${url.replace(/^http:/, 'https:')} in ${inFlag}`;
  const certificate = certificates[code];
  if (certificate !== undefined) {
    const [what, hint] = certificate;
    const more = detail === undefined ? '' : ` (${printable(detail)})`;
    return new CliError('untrusted-certificate', `${url} is not trusted: ${what}${more}`, { ...options, hint });
  }
  // A record that is none of TLS: it speaks HTTP. And the other way: what is no HTTP at all is an alert of TLS.
  if (/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/.test(code)) {
    return new CliError('wrong-scheme', `${url} does not speak TLS`, {
      ...options,
      exitCode: 2,
      hint: `if it is a coordinator without TLS, write ${url.replace(/^https:/, 'http:')} in ${inFlag}`,
    });
  }
  if (/^HPE_/.test(code) || (cause as Error).name === 'HTTPParserError') {
    return new CliError('wrong-scheme', `${url} does not speak HTTP`, {
      ...options,
      exitCode: 2,
      hint: otherScheme,
    });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  // A port that the Fetch Standard keeps for other protocols: it is not even tried.
  if (reason === 'bad port') {
    return new CliError('invalid-url', `${url} has a port of another protocol, which HTTP clients refuse`, {
      ...options,
      exitCode: 2,
      hint: `check ${inFlag}; a coordinator can listen at another port (--listen)`,
    });
  }
  // A server for TLS hangs up on HTTP without a word, as does one that is being stopped.
  const mute = code === 'UND_ERR_SOCKET' && (cause as { socket?: { bytesRead?: number } }).socket?.bytesRead === 0;
  const maybeTls = mute && url.startsWith('http:');
  return new CliError(
    maybeTls ? 'connection-closed' : 'connection-failed',
    `the connection to the coordinator at ${url} failed: ${reason}`,
    { ...options, mayPass: { untouched: false }, ...(maybeTls && { hint: `${otherScheme}; ${stoppedThen}` }) },
  );
}
