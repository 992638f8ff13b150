import { createHash, timingSafeEqual } from 'node:crypto';
import type { Scope } from '../domain/token/events.ts';
import type { TokenRecord, Tokens } from '../projections/tokens.ts';
import type { Application } from './application.ts';
import type { Core } from './core.ts';
import type { Deadlines } from './deadlines.ts';
import { DroverError } from './errors.ts';
import { randomId } from './identifiers.ts';
import type { Meta } from './ports/event-store.ts';

/** Who asks: a token, or the coordinator itself. */
export interface Principal {
  /** Token id; becomes the events' actor. */
  readonly id: string;
  readonly scope: Scope;
  /** The agent it belongs to, for scope `agent`. */
  readonly agent?: string;
}

export interface RotatedToken {
  readonly id: string;
  readonly secret: string;
  /** Ids of the tokens that it takes the place of. */
  readonly replaced: readonly string[];
  readonly until?: number;
}

export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  readonly agent?: string;
  readonly issuedAt: number;
  readonly revoked: boolean;
  /** When it was, milliseconds since the Unix epoch, and by whom: the id and the name of a token, or what else acts is called. */
  readonly revocation?: { readonly at: number; readonly by: string; readonly name?: string };
  /** When it will be revoked, milliseconds since the Unix epoch. */
  readonly until?: number;
}

export interface Issue {
  readonly name: string;
  readonly scope: Scope;
  readonly agent?: string;
}

/** Tokens: `drover_<id>_<43 base64url characters>`. The log has the SHA-256 of the whole, which is compared in constant time. */
export type Access = Pick<
  Application,
  'authenticate' | 'createToken' | 'rotateToken' | 'revokeToken' | 'tokens' | 'nameOf'
> & {
  issue(wish: Issue, meta: Meta): { id: string; secret: string };
  /** Makes a token that was written down before it was issued known, if it is not. */
  admit(secret: string, wish: Issue, meta: Meta): void;
  revokeOfAgent(agent: string, meta: Meta): void;
  /** After a start: ends what is open by tokens that the log has as revoked, or not at all. */
  resume(): void;
};

const secretPattern = /^drover_([0-9a-z]{1,64})_[0-9A-Za-z_-]{43}$/;

export function isSecret(text: string): boolean {
  return secretPattern.test(text);
}

export function newSecret(random: (length: number) => Uint8Array): string {
  return `drover_${randomId(random(8))}_${Buffer.from(random(32)).toString('base64url')}`;
}

/** Name of a token; of anything else that acts, what it is called in events. */
export function nameIn(tokens: Pick<Tokens, 'get'>): (actor: string) => string {
  return (actor) => tokens.get(actor)?.name ?? actor;
}

/**
 * Tokens, and the end of what they opened: once a revocation is durable, every link, feed, answer and upload that the token
 * opened is over. What comes later is refused from the decision on.
 */
export function createAccess(
  { farm, writer, runtime, tokenUses }: Pick<Core, 'farm' | 'writer' | 'runtime' | 'tokenUses'>,
  deadlines: Deadlines,
): Access {
  const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest();

  function idOf(secret: string): string {
    const id = secretPattern.exec(secret)?.[1];
    if (id === undefined) throw new DroverError('token-unknown', 'expected a token of the form drover_<id>_<secret>');
    return id;
  }

  function admit(secret: string, { name, scope, agent }: Issue, meta: Meta): void {
    const id = idOf(secret);
    if (farm.tokens.get(id)) return;
    const data = { name, scope, hash: digest(secret).toString('hex'), ...(agent !== undefined && { agent }) };
    writer.commit('token', id, 'none', [{ type: 'TokenIssued', data }], meta);
  }

  function issue(wish: Issue, meta: Meta): { id: string; secret: string } {
    const secret = newSecret(runtime.random.bytes);
    admit(secret, wish, meta);
    return { id: idOf(secret), secret };
  }

  function revoke(id: string, meta: Meta): void {
    const token = farm.tokens.get(id);
    if (!token)
      throw new DroverError('unknown-token', `there is no token ${id}; 'drover tokens list' shows the id of each`);
    if (token.revocation === undefined)
      writer.commit('token', id, token.revision, [{ type: 'TokenRevoked', data: {} }], meta);
  }

  function named(revocation: NonNullable<TokenRecord['revocation']>): NonNullable<TokenInfo['revocation']> {
    const name = farm.tokens.get(revocation.by)?.name;
    return { ...revocation, ...(name !== undefined && { name }) };
  }

  function isLastAdmin(id: string): boolean {
    const isValid = (token: TokenRecord | undefined): boolean =>
      token?.scope === 'admin' && token.revocation === undefined;
    if (!isValid(farm.tokens.get(id))) return false;
    for (const token of farm.tokens.all()) if (token.id !== id && isValid(token)) return false;
    return true;
  }

  /** Revokes it at the given time, unless it ends sooner anyway. */
  function revokeAt(token: TokenRecord, at: number, meta: Meta): void {
    if (token.ends !== undefined && token.ends.at <= at) return;
    writer.commit('token', token.id, token.revision, [{ type: 'TokenRevocationScheduled', data: { at } }], meta);
  }

  /**
   * Tokens that were revoked, which the log does not have yet: a power cut could take that back, and whoever hears that his token is none gives up
   * what he does with it.
   */
  const leaving = new Set<string>();

  const deadlineOf = (id: string): string => `token ${id}`;
  function arm({ id, ends }: TokenRecord): void {
    if (ends === undefined) return;
    deadlines.set(deadlineOf(id), ends.at, ends.at - ends.since, () => {
      if (!writer.failure) revoke(id, { actor: 'coordinator' });
    });
  }

  writer.listen((category, id, event) => {
    if (category !== 'token') return;
    if (event.type === 'TokenRevocationScheduled') arm(farm.tokens.get(id) as TokenRecord);
    if (event.type !== 'TokenRevoked') return;
    deadlines.clear(deadlineOf(id));
    leaving.add(id);
    writer.afterwards(() => {
      leaving.delete(id);
      tokenUses.end(id);
    });
  });

  return {
    issue,
    admit,
    resume() {
      for (const token of farm.tokens.all()) arm(token);
      for (const id of tokenUses.inUse()) {
        const token = farm.tokens.get(id);
        if (token === undefined || token.revocation !== undefined) tokenUses.end(id);
      }
    },
    nameOf: nameIn(farm.tokens),
    authenticate(secret): Principal | undefined {
      const id = secretPattern.exec(secret)?.[1];
      const token = id === undefined ? undefined : farm.tokens.get(id);
      if (!token || !timingSafeEqual(digest(secret), Buffer.from(token.hash, 'hex'))) return undefined;
      if (leaving.has(token.id))
        throw new DroverError('not-ready', 'the token was revoked, and the log does not have that yet');
      if (token.revocation !== undefined) return undefined;
      return { id: token.id, scope: token.scope, ...(token.agent !== undefined && { agent: token.agent }) };
    },
    async createToken(by, wish) {
      const issued = issue(wish, { actor: by.id });
      await writer.durable();
      return issued;
    },
    async rotateToken(by, agent, { overlapSeconds }) {
      const connection = farm.agents.get(agent)?.state.connection ?? 'none';
      if (connection === 'none')
        throw new DroverError('unknown-agent', `there is no agent ${agent}; 'drover agents list' names them`);
      if (connection === 'retired') throw new DroverError('agent-retired', `the agent ${agent} was removed`);
      const meta = { actor: by.id };
      const before = [...farm.tokens.validOf(agent)];
      // The new one first, so that the agent is never without.
      const issued = issue({ name: `agent ${agent}`, scope: 'agent', agent }, meta);
      const until = runtime.clock.now() + overlapSeconds * 1000;
      for (const token of before) {
        if (overlapSeconds === 0) revoke(token.id, meta);
        else revokeAt(token, until, meta);
      }
      await writer.durable();
      return { ...issued, replaced: before.map(({ id }) => id), ...(before.length > 0 && { until }) };
    },
    async revokeToken(by, id, { force = false } = {}) {
      if (!force && isLastAdmin(id))
        throw new DroverError(
          'last-admin-token',
          `${id} is the last token of scope admin, and without one nobody can add agents, tokens or take anything back: make another first, or give --force (force=true)`,
        );
      revoke(id, { actor: by.id });
      await writer.durable();
    },
    revokeOfAgent(agent, meta) {
      for (const { id } of [...farm.tokens.validOf(agent)]) revoke(id, meta);
    },
    tokens: () =>
      [...farm.tokens.all()].map(({ id, name, scope, agent, issuedAt, revocation, ends }) => ({
        id,
        name,
        scope,
        issuedAt,
        revoked: revocation !== undefined,
        ...(agent !== undefined && { agent }),
        ...(revocation !== undefined && { revocation: named(revocation) }),
        ...(ends !== undefined && { until: ends.at }),
      })),
  };
}
