import { goTo, withQuery } from '../router.ts';

export interface Filter {
  readonly field: string;
  readonly label: string;
  readonly options?: readonly string[];
}

/** What the address says for each field, `''` where it says nothing. */
export const valuesIn = (fields: readonly Filter[], query: URLSearchParams): readonly string[] =>
  fields.map(({ field }) => query.get(field) ?? '');

/** What a list is narrowed down by: it is in the address. */
export function Filters({ fields, query }: { readonly fields: readonly Filter[]; readonly query: URLSearchParams }) {
  const change = (field: string, value: string): void =>
    goTo(withQuery({ [field]: value.trim(), after: '' }), 'replace');
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      {fields.map(({ field, label, options }) => (
        <label key={field} for={`filter-${field}`}>
          {label}
          {options === undefined ? (
            <input
              id={`filter-${field}`}
              type="search"
              name={field}
              value={query.get(field) ?? ''}
              onChange={(event) => change(field, event.currentTarget.value)}
            />
          ) : (
            <select
              id={`filter-${field}`}
              name={field}
              value={query.get(field) ?? ''}
              onChange={(event) => change(field, event.currentTarget.value)}
            >
              <option value="">any</option>
              {options.map((option) => (
                <option key={option} value={option}>
                  {option}
                </option>
              ))}
            </select>
          )}
        </label>
      ))}
    </form>
  );
}
