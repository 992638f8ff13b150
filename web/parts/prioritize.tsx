import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Action } from './action.tsx';

/** Before all others. Source: `priority` of a submission's options. */
const most = 1000;

/**
 * Has something built sooner or later than others, and as before again.
 *
 * @param change makes it the priority; what it resolves with is said
 */
export function Prioritize({
  priority,
  usual,
  offered,
  change,
  done,
}: {
  /** That it has; `undefined` where that is not one number. */
  readonly priority: number | undefined;
  /** That it had before anybody changed it, where that is known. */
  readonly usual?: number | undefined;
  readonly offered: boolean;
  readonly change: (priority: number) => Promise<ComponentChildren>;
  readonly done: () => void;
}) {
  const [former, setFormer] = useState<number>();
  const [text, setText] = useState<string>();
  const wanted = text ?? String(priority ?? '');
  const number = /^-?\d{1,4}$/.test(wanted) && Math.abs(Number(wanted)) <= most ? Number(wanted) : undefined;
  const back = former ?? usual;

  const become = async (next: number): Promise<ComponentChildren> => {
    const said = await change(next);
    setFormer(next === back ? undefined : (former ?? priority));
    setText(undefined);
    return said;
  };
  return (
    <>
      <Action offered={offered && priority !== most} name="Build next" act={() => become(most)} done={done} />
      <Action
        offered={offered && back !== undefined && back !== priority}
        name={`Back to priority ${back}`}
        act={() => become(back as number)}
        done={done}
      />
      {offered && (
        <label for="priority">
          Priority, from -1000 to 1000
          <input
            id="priority"
            type="number"
            min={-most}
            max={most}
            step={1}
            value={wanted}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
      )}
      <Action
        offered={offered}
        name="Set the priority"
        disabled={number === undefined || number === priority}
        act={() => become(number as number)}
        done={done}
      />
    </>
  );
}
