import type { Scope, TokenEvent } from '../domain/token/events.ts';
import { createMemory, type Memory } from './memory.ts';

export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  readonly agent: string | undefined;
  /** SHA-256 of the secret, base 16. */
  readonly hash: string;
  readonly issuedAt: number;
  /** When it was revoked, in milliseconds since the Unix epoch, and by whom: the id of a token, or what else acts is called in events. */
  revocation: { readonly at: number; readonly by: string } | undefined;
  /** When it is to be revoked, and when that was decided; milliseconds since the Unix epoch. */
  ends: { readonly at: number; readonly since: number } | undefined;
  revision: number;
}

/** Every token that was ever issued. */
export interface Tokens {
  get(id: string): TokenRecord | undefined;
  all(): Iterable<TokenRecord>;
  /** Those of an agent that are accepted. */
  validOf(agent: string): ReadonlySet<TokenRecord>;
  /** @param by who acted, as the event's meta says */
  apply(id: string, event: TokenEvent, revision: number, at: number, by: string): void;
}

export function createTokens(memory: Memory = createMemory()): Tokens {
  const tokens = memory.map<string, TokenRecord>('tokens');
  const valid = new Map<string, Set<TokenRecord>>();
  memory.part('valid', {
    save: () => undefined,
    load() {
      for (const token of tokens.values()) if (token.revocation === undefined) accept(token);
    },
  });
  const validOf = (agent: string): ReadonlySet<TokenRecord> => valid.get(agent) ?? new Set();
  function accept(token: TokenRecord): void {
    if (token.agent !== undefined) valid.set(token.agent, new Set([...validOf(token.agent), token]));
  }
  return {
    get: (id) => tokens.get(id),
    all: () => tokens.values(),
    validOf,
    apply(id, event, revision, at, by) {
      if (event.type === 'TokenIssued') {
        const { name, scope, hash, agent } = event.data;
        const open = { revocation: undefined, ends: undefined };
        const issued = { id, name, scope, hash, agent, issuedAt: at, ...open, revision };
        tokens.set(id, issued);
        accept(issued);
        return;
      }
      const token = tokens.get(id);
      if (!token) return;
      token.revision = revision;
      if (event.type === 'TokenRevocationScheduled') token.ends = { at: event.data.at, since: at };
      if (event.type !== 'TokenRevoked') return;
      token.ends = undefined;
      token.revocation = { at, by };
      if (token.agent !== undefined) valid.get(token.agent)?.delete(token);
    },
  };
}
