/** Source: `reason` of what the API is asked to do. */
const longest = 4096;

/** Why something is done: it is kept with the event. */
export function Reason({
  id,
  value,
  change,
}: {
  readonly id: string;
  readonly value: string;
  readonly change: (value: string) => void;
}) {
  return (
    <label for={id}>
      Reason, for the record
      <input
        id={id}
        value={value}
        maxLength={longest}
        onInput={(event) => change(event.currentTarget.value)}
        placeholder="not needed"
      />
    </label>
  );
}
