import { rowText } from './document-encoder.ts';

/** JSON of a document, piece by piece: what has changed is found by comparing texts. */
export type DocumentTexts = ReadonlyMap<string, string | ObjectTexts | ListTexts>;
type ObjectTexts = ReadonlyMap<string, string>;
interface ListTexts {
  /** What each row is known by. */
  readonly keys: readonly string[];
  readonly rows: readonly string[];
}

/** The texts of an object and of what is in its objects and lists; a field that is `undefined` is not there. */
export function textsOf(document: Readonly<Record<string, unknown>>): DocumentTexts {
  const texts = new Map<string, string | ObjectTexts | ListTexts>();
  for (const [name, value] of Object.entries(document)) {
    if (value === undefined) continue;
    if (Array.isArray(value)) texts.set(name, { keys: value.map(keyOf), rows: value.map(rowText) });
    else if (typeof value === 'object' && value !== null) {
      const fields = new Map<string, string>();
      for (const [field, held] of Object.entries(value))
        if (held !== undefined) fields.set(field, JSON.stringify(held));
      texts.set(name, fields);
    } else texts.set(name, JSON.stringify(value));
  }
  return texts;
}

/** What names a row stays with it where others come and go. */
function keyOf(row: unknown, index: number): string {
  const { id, name, at } = (typeof row === 'object' && row !== null ? row : {}) as Record<string, unknown>;
  return String(id ?? name ?? at ?? index);
}

/** JSON of the whole. */
export function wholeText(texts: DocumentTexts): string {
  return objectText(Array.from(texts, ([name, value]) => [name, textOf(value)]));
}

function textOf(value: string | ObjectTexts | ListTexts): string {
  if (typeof value === 'string') return value;
  return 'rows' in value ? `[${value.rows.join()}]` : objectText(value);
}

function objectText(fields: Iterable<readonly [name: string, text: string]>): string {
  return `{${Array.from(fields, ([name, text]) => `${JSON.stringify(name)}:${text}`).join()}}`;
}

/**
 * What makes one document of another, in order: texts of operations `add`, `remove` and `replace` of a JSON Patch, for fields, for theirs, and for
 * rows of lists. Source: RFC 6902.
 */
export function patchBetween(before: DocumentTexts, after: DocumentTexts): string[] {
  const operations: string[] = [];
  for (const name of before.keys()) if (!after.has(name)) operations.push(remove(pathOf(name)));
  for (const [name, now] of after) {
    const was = before.get(name);
    const path = pathOf(name);
    if (was === undefined) operations.push(put('add', path, textOf(now)));
    else if (typeof was === 'string' || typeof now === 'string' || 'rows' in was !== 'rows' in now) {
      if (textOf(was) !== textOf(now)) operations.push(put('replace', path, textOf(now)));
    } else if ('rows' in now) operations.push(...rowChanges(path, was as ListTexts, now));
    else operations.push(...fieldChanges(path, was as ObjectTexts, now));
  }
  return operations;
}

function* fieldChanges(path: string, was: ObjectTexts, now: ObjectTexts): Generator<string> {
  for (const field of was.keys()) if (!now.has(field)) yield remove(path + pathOf(field));
  for (const [field, text] of now) {
    const old = was.get(field);
    if (old !== text) yield put(old === undefined ? 'add' : 'replace', path + pathOf(field), text);
  }
}

/** Rows that go, from the last one on; then those that come or have changed, from the first. Lists in another order are given anew. */
function rowChanges(path: string, was: ListTexts, now: ListTexts): string[] {
  const operations: string[] = [];
  const wanted = new Set(now.keys);
  const had = new Set(was.keys);
  const kept: { readonly key: string; readonly text: string }[] = [];
  for (let index = was.keys.length - 1; index >= 0; index--) {
    const key = was.keys[index] as string;
    if (wanted.has(key)) kept.push({ key, text: was.rows[index] as string });
    else operations.push(remove(`${path}/${index}`));
  }
  let next = kept.pop();
  for (const [index, key] of now.keys.entries()) {
    const text = now.rows[index] as string;
    if (next?.key === key) {
      if (next.text !== text) operations.push(put('replace', `${path}/${index}`, text));
      next = kept.pop();
    } else if (had.has(key)) return [put('replace', path, textOf(now))];
    else operations.push(put('add', `${path}/${index}`, text));
  }
  return next === undefined ? operations : [put('replace', path, textOf(now))];
}

const pathOf = (name: string): string => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
const put = (op: 'add' | 'replace', path: string, text: string): string =>
  `{"op":"${op}","path":${JSON.stringify(path)},"value":${text}}`;
const remove = (path: string): string => `{"op":"remove","path":${JSON.stringify(path)}}`;
