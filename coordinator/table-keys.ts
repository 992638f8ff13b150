const camel = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The keys of a table of the configuration as the code has them; those of tables whose keys are the user's own, like tags, are left alone. */
export function withCamelKeys(value: unknown, path = ''): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || path === '.where.tags') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [camel(key), withCamelKeys(part, `${path}.${key}`)]),
  );
}
