/** What somebody wrote in a search, as the coordinator can be asked for it: of a store path the base name. */
export function wishIn(text: string): { readonly text: string; readonly id: string | undefined } {
  const plain = text.trim().replace(/^\/\S+\/(?=[0-9a-z]{32}-)/, '');
  return {
    text: plain,
    id: /^[\x21-\x7e]{1,256}$/.test(plain) ? plain : undefined,
  };
}

/** Whether all words of it are in one of the texts, in whatever case. */
export function mentions(wish: string, ...texts: readonly string[]): boolean {
  const words = wish.toLowerCase().split(/\s+/);
  return words.every((word) => texts.some((text) => text.toLowerCase().includes(word)));
}

/** The first of each that leads to the same page. */
export function distinct<Found extends { readonly href: string }>(found: readonly Found[]): readonly Found[] {
  const seen = new Set<string>();
  return found.filter(({ href }) => !seen.has(href) && seen.add(href));
}
