/** The first line of a message that may have several, for a place that has one; of one of Nix 2.30 and later the second, as the first says but what could not be built. */
export function firstLine(message: string): string {
  const text = message.replace(/^((?:[a-z-]+: )?)Cannot build '[^\n]*'\.\s*\n\s*Reason: /, '$1');
  const end = text.indexOf('\n');
  return end < 0 ? text : `${text.slice(0, end).trimEnd()} …`;
}
