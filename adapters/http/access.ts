import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../../coordinator/application.ts';
import { DroverError } from '../../coordinator/errors.ts';
import type { Scope } from '../../domain/token/events.ts';
import { checkRequests } from './check-requests.ts';
import type { HttpContext } from './context.ts';
import { isHttps, sessionOf } from './dashboard/session-cookie.ts';

/**
 * Who may use a route. Each route states one in its `config.access`; a route without one does not get registered, so
 * that none is open by oversight.
 */
export const accessScopes = {
  open: [],
  /** Reading the binary cache; without a token where the cache is public. */
  cache: ['read', 'submit', 'push', 'agent', 'admin'],
  /** What a token may know of itself. */
  self: ['read', 'submit', 'push', 'agent', 'admin'],
  read: ['read', 'submit', 'admin'],
  submit: ['submit', 'admin'],
  /** What derivations are made of: for who may read what is built, and for agents. */
  derivation: ['read', 'submit', 'agent', 'admin'],
  upload: ['submit', 'push', 'agent', 'admin'],
  /** Putting items into the pool that no build here has made: whoever may is believed what their paths stand for. */
  push: ['push', 'admin'],
  /** The agent link: needs to know which agent. */
  agent: ['agent'],
  admin: ['admin'],
} as const satisfies Record<string, readonly Scope[]>;
export type Access = keyof typeof accessScopes;

export interface RouteAccess {
  readonly method: string;
  /** With `:name` for parameters. */
  readonly url: string;
  readonly access: Access;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** The body is read by the route and may have a Content-Encoding. */
    streamed?: boolean;
    /** It is logged at debug, as reads are: there are many of them. */
    quiet?: boolean;
  }
  interface FastifyRequest {
    principal: Principal | null;
    /** The request's entry among what its token has opened; dispose of it where it may outlive the token. */
    tokenUse: Disposable | null;
  }
  interface FastifyInstance {
    /** Every route and who may use it; for the tests that go through all of them. */
    readonly routeTable: readonly RouteAccess[];
  }
}

/** All who bring nothing, where that is public: one, whose requests are bounded together. No token has this id. */
const anybody: Principal = { id: 'public-reader', scope: 'read' };
const publicAccess: ReadonlySet<Access> = new Set(['read', 'self']);

type AccessContext = Pick<HttpContext, 'application' | 'cache' | 'tokenUses' | 'limits' | 'runtime' | 'dashboard'>;

/** Adds the check of tokens and scopes before anything of the request but its head is read. */
export function addAccessControl(app: FastifyInstance, context: AccessContext): void {
  app.decorateRequest('principal', null);
  app.decorateRequest('tokenUse', null);
  const table: RouteAccess[] = [];
  app.decorate('routeTable', table);
  app.addHook('onRoute', ({ method, url, config }) => {
    const access = config?.access;
    if (access === undefined) throw new Error(`expected config.access on ${String(method)} ${url}`);
    for (const each of [method].flat()) table.push({ method: each, url, access });
  });
  checkRequests(app, admit);

  function admit(request: FastifyRequest, reply: FastifyReply): void {
    const access = request.routeOptions.config.access;
    if (access === undefined || access === 'open' || (access === 'cache' && context.cache.public)) return;
    const { principal, ends } = authorize(context, access, request);
    request.principal = principal;
    const most = context.limits.tokenRequests;
    if (context.tokenUses.count(principal.id) >= most)
      throw new DroverError(
        'too-many-requests',
        `expected at most ${most} requests, feeds and links of one token at a time (setting limits.token-requests), got another`,
      );
    const use = context.tokenUses.begin(principal.id, () => cut(request, reply, 'its token was revoked'));
    request.tokenUse = use;
    const { clock, timers } = context.runtime;
    const end =
      ends === undefined
        ? undefined
        : timers.after(ends - clock.now(), () => cut(request, reply, 'the session of the dashboard has ended'));
    reply.raw.once('close', () => {
      use[Symbol.dispose]();
      end?.[Symbol.dispose]();
    });
  }
}

const readings: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/**
 * What a browser was told once for Basic, and its cookies, it sends with what pages of any origin ask for, and a request without a body needs nobody's
 * leave. They get to read nothing (CORS); they may not do anything either. Source: Fetch Metadata, section 2.2; RFC 6454, section 7.
 */
export function refuseForeignPages({ method, headers, host }: FastifyRequest): void {
  if (readings.has(method) && headers.upgrade === undefined) return;
  const { origin, 'sec-fetch-site': site } = headers;
  const isOwn =
    site === undefined
      ? origin === undefined || URL.parse(origin)?.host === host
      : site === 'same-origin' || site === 'none';
  if (isOwn) return;
  throw new DroverError(
    'foreign-page',
    `expected a page of this origin, or a program, got one of ${(origin ?? String(site)).slice(0, 200)} with what a browser sends by itself; a page can do this with Authorization: Bearer`,
  );
}

/** Whatever the request is at, reading an upload or writing a feed: there is no more of either, and its sender sees that. */
function cut(request: FastifyRequest, reply: FastifyReply, why: string): void {
  request.log.info({ token: request.principal?.id }, `request ended: ${why}`);
  reply.raw.destroy();
}

/** The asker of a route that is not open. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null) throw new Error('asked for the principal of an open route');
  return request.principal;
}

/** Who asks, as far as a route of `access` lets him; `ends`: until when, milliseconds since the Unix epoch. */
interface Asker {
  readonly principal: Principal;
  readonly ends?: number;
}

function authorize(context: AccessContext, access: Access, request: FastifyRequest): Asker {
  const asker = identify(context, access, request);
  requireScope(asker.principal, access);
  return asker;
}

function identify({ application, dashboard }: AccessContext, access: Access, request: FastifyRequest): Asker {
  const { authorization, cookie, 'x-forwarded-proto': forwarded } = request.headers;
  const value = dashboard && authorization === undefined ? sessionOf(cookie, isHttps(forwarded)) : undefined;
  if (value !== undefined || /^basic /i.test(authorization ?? '')) refuseForeignPages(request);
  if (value !== undefined) {
    const session = dashboard?.sessions.open(value);
    const principal = session && application.authenticate(session.secret);
    if (session && principal) return { principal, ends: session.ends };
    throw new DroverError(
      'session-ended',
      'expected a session that goes on, by a token that was not revoked: log in again',
    );
  }
  const secret = secretOf(authorization);
  if (secret !== undefined) return { principal: authenticated(application, secret) };
  const isKnown = dashboard?.knownHosts?.(request.headers.host) ?? true;
  if (authorization === undefined && dashboard !== undefined && isKnown) {
    const principal = dashboard.proxies?.principalOf(request);
    if (principal !== undefined) {
      // What the proxy knows a person by is a cookie as well, or what a browser was told for Basic.
      refuseForeignPages(request);
      return { principal };
    }
    const isPublic = publicAccess.has(access) && readings.has(request.method);
    if (dashboard.public && isPublic) return { principal: anybody };
  }
  throw new DroverError(
    'token-missing',
    `expected \`Authorization: Bearer <token>\`, or Basic with the token as password${isKnown ? '' : unknownHost(request)}`,
  );
}

/** For whoever wonders: nobody needed one by another name. */
const unknownHost = ({ headers: { host = '' } }: FastifyRequest): string =>
  `; what can be done without one cannot be by the name ${host.slice(0, 200)}, which neither dashboard.hosts nor public-url has`;

/** @throws DroverError `token-unknown` */
export function authenticated(application: HttpContext['application'], secret: string): Principal {
  const principal = application.authenticate(secret);
  if (principal !== undefined) return principal;
  throw new DroverError('token-unknown', 'expected a token that was issued and not revoked');
}

/** @throws DroverError `scope-insufficient` */
export function requireScope(principal: Principal, access: Access): void {
  const allowed: readonly Scope[] = accessScopes[access];
  if (allowed.includes(principal.scope)) return;
  throw new DroverError('scope-insufficient', `expected scope ${allowed.join(' or ')}, got ${principal.scope}`, {
    expected: allowed,
    got: principal.scope,
  });
}

/** The secret in an Authorization header: a bearer token (RFC 6750), or the password of Basic (RFC 7617), which is all that netrc can give. */
export function secretOf(header: string | undefined): string | undefined {
  const match = /^(bearer|basic) +([^\s]{1,4096}) *$/i.exec(header ?? '');
  if (match === null) return undefined;
  const [, scheme = '', credentials = ''] = match;
  if (scheme.toLowerCase() === 'bearer') return credentials;
  const decoded = Buffer.from(credentials, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  const password = colon < 0 ? '' : decoded.slice(colon + 1);
  return password === '' ? undefined : password;
}
