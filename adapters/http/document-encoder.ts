import * as z from 'zod';

const texts = new WeakMap<object, string>();

/** JSON of a row; of one that was encoded here it is there already. */
export const rowText = (row: unknown): string =>
  (typeof row === 'object' && row !== null && texts.get(row)) || (JSON.stringify(row) ?? 'null');

/**
 * Encodes a document by its schema, whose lists are of plain JSON: a row that is as it was the last time, and most are from one moment to the next, is
 * not looked at by the schema again, and is the same object.
 *
 * @throws ZodError where it is not of its form
 */
export function createDocumentEncoder<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
): (document: z.output<z.ZodObject<Shape>>) => Readonly<Record<string, unknown>> {
  const encoders = Object.entries(schema.shape).map(([name, field]) => {
    const encode = (value: unknown): unknown => z.encode(field as z.ZodType, value);
    return [
      name,
      field instanceof z.ZodArray ? createListEncoder(field.element as z.ZodType, encode) : encode,
    ] as const;
  });
  return (document) =>
    Object.fromEntries(encoders.map(([name, encode]) => [name, encode(document[name as keyof typeof document])]));
}

function createListEncoder(row: z.ZodType, encode: (value: unknown) => unknown): (value: unknown) => unknown {
  let known = new Map<string, unknown>();
  return (rows) => {
    // It says what is wrong with that.
    if (!Array.isArray(rows)) return encode(rows);
    const now: typeof known = new Map();
    const encoded = rows.map((value) => {
      const raw = JSON.stringify(value);
      const told = known.get(raw) ?? z.encode(row, value);
      if (!known.has(raw) && typeof told === 'object' && told !== null) texts.set(told, JSON.stringify(told));
      now.set(raw, told);
      return told;
    });
    known = now;
    return encoded;
  };
}
