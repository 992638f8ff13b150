/** The path in an address, `undefined` where its escapes are malformed. */
export function decodedPath(escaped: string): string | undefined {
  try {
    return decodeURIComponent(escaped);
  } catch {
    return undefined;
  }
}
