/** What is open by the right of a token: agent links, feeds, answers on their way, uploads. */
export interface TokenUses {
  /** Ids of the tokens by which something is open. */
  inUse(): Iterable<string>;
  /** Ends all that is open by the token. */
  end(token: string): void;
}
