/** Patterns that millions of texts are held against, each with a loop that sees of most texts that they match in a fraction of the time. */
const quickWays = new WeakMap<RegExp, (text: string) => boolean>();

/**
 * The pattern itself.
 *
 * @param isCertain true only of what matches; it may be false of what does, too.
 */
export function quickPattern(pattern: RegExp, isCertain: (text: string) => boolean): RegExp {
  quickWays.set(pattern, isCertain);
  return pattern;
}

/** Whether a text matches, in the quickest way that is known. */
export function matcherOf(pattern: RegExp): (text: string) => boolean {
  const isCertain = quickWays.get(pattern);
  return isCertain ? (text) => isCertain(text) || pattern.test(text) : (text) => pattern.test(text);
}
