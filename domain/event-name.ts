/**
 * What the types of events are called outside: CloudEvents of many programs meet in one place, so a type says whose it is. In the log and
 * in the code they go by their bare names. See docs/decisions/0027.
 */
export const typePrefix = 'drover.';

/** `BuildFailed` as readers get it: `drover.BuildFailed`. */
export function wireType(type: string): string {
  return `${typePrefix}${type}`;
}

/** The name in the log of a type that somebody outside gives, with its prefix or without. */
export function bareType(type: string): string {
  return type.startsWith(typePrefix) ? type.slice(typePrefix.length) : type;
}
