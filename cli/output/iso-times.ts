/** Fields of answers of the API that are instants, in milliseconds since the Unix epoch. */
const instants = /^(at|since|from|to|next|until|notBefore|.+(At|Until|Since))$/;
/** Numbers below that (1973) are spans or counts under one of these names. */
const earliest = 100_000_000_000;

/** The same value with every instant as RFC 3339 has it, as people and programs read it: `2026-01-02T03:04:05.000Z`. */
export function withIsoTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withIsoTimes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      typeof each === 'number' && each >= earliest && instants.test(name)
        ? new Date(each).toISOString()
        : withIsoTimes(each),
    ]),
  );
}
