import { connect as connectTls } from 'node:tls';
import { type Client, createClient } from '../http/client.ts';
import { cacheRootsOf } from '../http/store-dir.ts';
import { duration, printable } from '../output/text.ts';
import { version } from '../version.ts';
import { bad, check, type Finding, type Found, failure, good, warning } from './finding.ts';

export interface Target {
  readonly url: string;
  readonly token?: string | undefined;
}

export interface ReachEdges {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** When the certificate that is served at an https address ends, in milliseconds since the Unix epoch. */
  certificateEnd(url: URL): Promise<number>;
}

/** How long all of one question may take. */
const patienceMs = 20_000;
/** A clock that is off by more makes times of logs and certificates wrong. */
const mostSkewMs = 10_000;
const dayMs = 86_400_000;
const soonDays = 21;

export const reachEdges: ReachEdges = { now: Date.now, certificateEnd };

/** A client that does not wait for ever. */
export function clientOf({ url, token }: Target): Client {
  return createClient({ url, token, signal: AbortSignal.timeout(patienceMs) });
}

/** Whether a coordinator answers at an address, takes writes, and shares our clock and version. `name` is what the address is called. */
export async function checkReach(
  name: string,
  target: Target,
  edges: ReachEdges,
): Promise<{ readonly findings: readonly Finding[]; readonly reached: boolean }> {
  const client = clientOf(target);
  const findings: Finding[] = [];
  let date: string | null = null;
  const asked = edges.now();
  const found = await check(name, async () => {
    const answer = await client.request('GET', '/healthz');
    date = answer.headers.get('date');
    const health = await client.json<{ status?: unknown }>(answer);
    if (health?.status !== 'up')
      return bad(
        `something else than a coordinator answers at ${printable(target.url)}`,
        'check the address, and what a proxy before it leads to',
      );
    return good(`a coordinator answers at ${printable(target.url)}`);
  });
  const answered = edges.now();
  findings.push(...found);
  const reached = found.every(({ verdict }) => verdict === 'ok');
  // What cannot be trusted is told of by the request; what ends soon, by nobody else.
  if (target.url.startsWith('https:') && reached)
    findings.push(...(await check('certificate', () => checkCertificate(new URL(target.url), edges))));
  if (!reached) return { findings, reached };
  findings.push(
    ...(await check('clock', async () => clockFinding(date, asked, answered))),
    ...(await check('readiness', () => checkReadiness(client))),
    ...(await check('version', () => checkVersion(client))),
  );
  return { findings, reached };
}

async function checkCertificate(url: URL, { now, certificateEnd: endOf }: ReachEdges): Promise<Found> {
  return certificateFinding(url, await endOf(url), now());
}

export function certificateFinding(url: URL, end: number, now: number): Found {
  const days = Math.floor((end - now) / dayMs);
  const found = `the certificate of ${url.host} is good until ${new Date(end).toISOString().slice(0, 10)} (${days} days)`;
  return days < soonDays ? warning(found, 'renew it') : good(found);
}

/** The coordinator's time has whole seconds, and is of some instant between the question and its answer. */
export function clockFinding(date: string | null, asked: number, answered: number): Found {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs)) return warning('the coordinator does not say what time it has (no Date header)');
  const off = theirs + 1000 < asked ? asked - theirs - 1000 : theirs > answered ? theirs - answered : 0;
  if (off <= mostSkewMs) return good("this machine's clock is the coordinator's");
  const which = theirs < asked ? 'ahead of' : 'behind';
  return warning(
    `this machine's clock is ${duration(off)} ${which} the coordinator's`,
    'synchronize both: timedatectl set-ntp true, where systemd is',
  );
}

async function checkReadiness(client: Client): Promise<readonly Found[]> {
  try {
    const { warnings = [] } = await client.get<{ warnings?: readonly string[] }>('/readyz');
    if (warnings.length > 0) return warnings.map((one) => warning(`the coordinator says: ${printable(one)}`));
    return [good('the coordinator takes writes')];
  } catch (error) {
    return [failure(error)];
  }
}

async function checkVersion(client: Client): Promise<Found> {
  const { info } = await client.get<{ info?: { version?: string } }>('/v1/openapi.json');
  const theirs = printable(String(info?.version));
  return theirs === version()
    ? good(`Drover ${theirs} on both sides, Node ${process.versions.node} here`)
    : warning(
        `Drover ${version()} here, ${theirs} at the coordinator`,
        'upgrade the older one (docs/operating.md, "Upgrade")',
      );
}

export interface OwnToken {
  readonly name: string;
  readonly scope: string;
  readonly agent?: string;
}

/** What the token is good for; its refusal is thrown. */
export async function ownToken(target: Target): Promise<OwnToken> {
  return clientOf(target).get<OwnToken>('/v1/tokens/self');
}

/** Whether what answers is for the same store directory. */
export async function checkStoreDir(target: Target, expected: string, todo: string): Promise<Found> {
  const theirs = [...(await cacheRootsOf(clientOf(target))).keys()];
  return theirs.includes(expected)
    ? good(`${expected} on both sides`)
    : bad(`expected ${expected}, the coordinator has ${theirs.join(' and ')}`, todo);
}

/** Whether the certificate is trusted is not asked here. */
function certificateEnd({ hostname, port }: URL): Promise<number> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host,
      port: Number(port || 443),
      ...(!/^[\d.]+$|:/.test(host) && { servername: host }),
      rejectUnauthorized: false,
      timeout: patienceMs,
    });
    socket.once('secureConnect', () => {
      const { valid_to: end } = socket.getPeerCertificate();
      socket.destroy();
      resolve(Date.parse(end));
    });
    socket.once('timeout', () =>
      socket.destroy(new Error(`no answer to a TLS handshake within ${patienceMs / 1000} s`)),
    );
    socket.once('error', reject);
  });
}
