import { CliError } from '../output/cli-error.ts';

export type Verdict = 'ok' | 'warning' | 'to do';

/** What was found out about one thing. */
export interface Finding {
  /** What was looked at: `token`. */
  readonly check: string;
  readonly verdict: Verdict;
  /** In a sentence, with no secret in it. */
  readonly found: string;
  /** What to do about it, where `found` does not say. */
  readonly todo?: string;
}

export type Found = Omit<Finding, 'check'>;

export const good = (found: string): Found => ({ verdict: 'ok', found });
export const warning = (found: string, todo?: string): Found => ({
  verdict: 'warning',
  found,
  ...(todo !== undefined && { todo }),
});
export const bad = (found: string, todo?: string): Found => ({
  verdict: 'to do',
  found,
  ...(todo !== undefined && { todo }),
});

/** A check whose failure is a finding, too. Whoever tells of several things gives a list. */
export async function check(name: string, work: () => Promise<Found | readonly Found[]>): Promise<readonly Finding[]> {
  const found = await work().catch(failure);
  return [found].flat().map((one) => ({ check: name, ...one }));
}

/** What an error says, and what it says to do. */
export function failure(error: unknown): Found {
  const message = error instanceof Error ? error.message : String(error);
  return bad(message, error instanceof CliError ? error.hint : undefined);
}
