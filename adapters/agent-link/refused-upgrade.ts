import type { IncomingMessage } from 'node:http';

/** The upgrade was answered with something else than a WebSocket. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused';
  readonly status: number;
  /** Whether the coordinator itself said so, and not whoever answers in its place. */
  readonly byCoordinator: boolean;
  constructor(status: number, byCoordinator: boolean, message: string) {
    super(message);
    this.status = status;
    this.byCoordinator = byCoordinator;
  }
}

const maxBodyBytes = 16 * 1024;
/** Statuses of a proxy that found nobody behind it. */
const nobodyBehind: ReadonlySet<number> = new Set([502, 503, 504]);
const forNginx =
  'it has to pass WebSockets: for nginx, proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; (docs/operating.md, "Behind a proxy")';

/** What the answer to an upgrade that is no WebSocket means, in words. Reads the answer's body. */
export async function upgradeRefusal(response: IncomingMessage): Promise<LinkRefused> {
  const status = response.statusCode ?? 0;
  const { server, location } = response.headers;
  const who = server === undefined ? 'a server' : server.slice(0, 128);
  const said = codeIn(await bodyOf(response));
  // A plain request reached the coordinator: whatever stands between took the upgrade out of it.
  if (said === 'upgrade-missing')
    return new LinkRefused(
      status,
      true,
      `a proxy before the coordinator${server === undefined ? '' : ` (${who})`} takes the WebSocket out of requests; ${forNginx}`,
    );
  if (said !== undefined) return new LinkRefused(status, true, `the coordinator answered HTTP ${status} (${said})`);
  const answered = `expected a WebSocket, got HTTP ${status} from ${who}`;
  if (nobodyBehind.has(status))
    return new LinkRefused(status, false, `${answered}: it does not reach the coordinator at the moment`);
  if (location !== undefined)
    return new LinkRefused(status, false, `${answered}, which leads to ${location.slice(0, 256)}: give that address`);
  return new LinkRefused(
    status,
    false,
    `${answered}: a proxy or another program answers in the coordinator's place. ${forNginx}`,
  );
}

/** For an upgrade that nobody answers. */
export function silentUpgrade(ms: number): Error {
  return new Error(
    `expected a WebSocket, got no answer for ${ms / 1000} s: the coordinator stands still, or a proxy before it holds the request; ${forNginx}`,
  );
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk;
      if (text.length > maxBodyBytes) break;
    }
  } catch {
    // Cut: what came is what there is.
  }
  return text;
}

/** Drover's own error code, if the body is one of its problems. */
function codeIn(body: string): string | undefined {
  try {
    const { code, type } = JSON.parse(body) as { code?: unknown; type?: unknown };
    return typeof code === 'string' && type === `/docs/errors#${code}` ? code : undefined;
  } catch {
    return undefined;
  }
}
