import { useEffect, useState } from 'preact/hooks';
import { goTo, withQuery } from '../router.ts';

export interface Filter {
  readonly field: string;
  readonly label: string;
  readonly options?: readonly string[];
}

/** What the address says for each field, `''` where it says nothing. */
export const valuesIn = (fields: readonly Filter[], query: URLSearchParams): readonly string[] =>
  fields.map(({ field }) => query.get(field) ?? '');

/** What a list is narrowed down by: it is in the address, and the browser's way back takes it back. */
export function Filters({ fields, query }: { readonly fields: readonly Filter[]; readonly query: URLSearchParams }) {
  const change = (field: string, value: string): void => goTo(withQuery({ [field]: value.trim(), after: '' }), 'step');
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      {fields.map(({ field, label, options }) => (
        <label key={field} for={`filter-${field}`}>
          {label}
          {options === undefined ? (
            <Typed field={field} asked={query.get(field) ?? ''} change={(value) => change(field, value)} />
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

/** What is being typed stays while the list below it is loaded anew, and is asked for once it is done. */
function Typed({
  field,
  asked,
  change,
}: {
  readonly field: string;
  /** What the address says. */
  readonly asked: string;
  readonly change: (value: string) => void;
}) {
  const [text, setText] = useState(asked);
  useEffect(() => setText(asked), [asked]);
  return (
    <input
      id={`filter-${field}`}
      type="search"
      name={field}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}
