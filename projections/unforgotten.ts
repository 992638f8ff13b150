import type { Farm } from './farm.ts';
import { finish } from './pace.ts';

/** So often something may be forgotten while it is looked at; the next time it is looked at in one turn. */
const mostTimes = 5;

/**
 * A walk over the farm that lets others have their turn, and begins anew where something that it may have come by was forgotten meanwhile:
 * the row of that may be another's by then. What was under way when the walk came by is not forgotten for as long as a whole farm's worth of
 * others takes to end, so that happens next to never; then the answer is as of now, as if nobody had asked before.
 *
 * @param begin begins the walk, with what is in the farm by now. It must change nothing.
 * @param isThere whether what it was begun with is there still, where that may have ended before; not asked in the turn in which it begins.
 * @yields where the walk does.
 */
export function* unforgotten<Value>(
  { forgetting }: { readonly forgetting: Pick<Farm['forgetting'], 'watch'> },
  begin: () => Generator<undefined, Value>,
  isThere: () => boolean = () => true,
): Generator<undefined, Value> {
  for (let left = mostTimes; left > 0; left--) {
    const isKept = forgetting.watch();
    const steps = begin();
    do {
      const step = steps.next();
      if (step.done) return step.value;
      yield;
    } while (isKept() && isThere());
  }
  return finish(begin());
}
