/** Whether an If-None-Match header covers `etag` (with its quotes). Weak comparison, as RFC 9110, section 13.1.2, asks. */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((given) => given.trim().replace(/^W\//, '') === etag);
}
