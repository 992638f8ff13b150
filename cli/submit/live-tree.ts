import { safeText } from '../output/safe-text.ts';
import { createLiveArea, type Screen } from './live-area.ts';
import { drawTree, type TreeSpace, type TreeState } from './tree.ts';

/** The tree of {@link drawTree} at the end of a terminal, drawn again once a second and where something changes, ten times a second at most. */
export interface LiveTree extends Disposable {
  show(state: Omit<TreeState, 'now'>): void;
  /** Something has changed. */
  touch(): void;
  /** Prints what stays, above the tree. */
  line(text: string): void;
}

export interface LiveTreeOptions {
  readonly screen: Screen & { rows(): number };
  readonly colour: boolean;
  now(): number;
  /** Milliseconds between two drawings, at least and at most. */
  readonly leastMs?: number;
  readonly mostMs?: number;
}

export function createLiveTree({ screen, colour, now, leastMs = 100, mostMs = 1000 }: LiveTreeOptions): LiveTree {
  const area = createLiveArea(screen);
  let state: Omit<TreeState, 'now'> | undefined;
  let above: string[] = [];
  let soon: NodeJS.Timeout | undefined;

  function draw(): void {
    clearTimeout(soon);
    soon = undefined;
    const space: TreeSpace = { columns: screen.columns(), rows: screen.rows(), colour };
    const lines = state === undefined ? [] : drawTree({ ...state, now: now() }, space);
    area.draw(
      lines.map((line) => safeText(line, colour)),
      above,
    );
    above = [];
  }
  function touch(): void {
    soon ??= setTimeout(draw, leastMs);
  }
  const clock = setInterval(touch, mostMs);

  return {
    show(next) {
      state = next;
      touch();
    },
    touch,
    line(text) {
      above.push(...safeText(text, colour).split('\n'));
      touch();
    },
    [Symbol.dispose]() {
      clearInterval(clock);
      state = undefined;
      draw();
    },
  };
}
