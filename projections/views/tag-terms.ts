/** What a build with these tags is found by: `key` and `key=value`. A key has no `=` in it. */
export function tagTerms(tags: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(tags).flatMap(([key, value]) => [key, `${key}=${value}`]);
}
