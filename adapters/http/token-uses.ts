import type { TokenUses } from '../../coordinator/ports/token-uses.ts';

/** Keeps who ends what, by token, for as long as it is open. */
export interface TokenUseRegistry extends TokenUses {
  /** Something was opened by the right of `token`; `end` is called when that right ends. Dispose of it when it is over. */
  begin(token: string, end: () => void): Disposable;
  /** How much is open by the right of `token`. */
  count(token: string): number;
}

export function createTokenUses(): TokenUseRegistry {
  const uses = new Map<string, Set<() => void>>();
  return {
    begin(token, end) {
      // A function of its own, so that the same `end` may be given twice.
      const entry = () => end();
      const open = uses.get(token) ?? new Set();
      uses.set(token, open.add(entry));
      return {
        [Symbol.dispose]() {
          open.delete(entry);
          if (open.size === 0 && uses.get(token) === open) uses.delete(token);
        },
      };
    },
    count: (token) => uses.get(token)?.size ?? 0,
    inUse: () => [...uses.keys()],
    end(token) {
      const open = uses.get(token);
      uses.delete(token);
      for (const end of [...(open ?? [])]) end();
    },
  };
}
