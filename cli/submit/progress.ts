import cliProgress from 'cli-progress';
import type { Io } from '../output/io.ts';
import { safeText } from '../output/safe-text.ts';
import { createLiveTree, type LiveTree } from './live-tree.ts';
import type { TreeState } from './tree.ts';

/** A bar on a terminal; on anything else a line now and then. Both on standard error. */
export interface Progress extends Disposable {
  /** Starts a step; the one before is over. Without a total the end is not known. */
  begin(title: string, total?: number): void;
  update(done: number): void;
  /** A line of its own, above the bar or the tree. */
  line(text: string): void;
  /** Shows a tree in place of the bar, where there is a terminal; absent where there is none. */
  readonly show?: (state: Omit<TreeState, 'now'>) => void;
  /** Whether there is a tree, which shows what runs. */
  readonly hasTree: boolean;
}

/** Lines per step where there is no terminal: enough to see that it moves, few enough for a log. */
const linesPerStep = 10;
/** The same for a step whose end is not known. */
const countPerLine = 10_000;
/** Milliseconds between two lines, and before the first: what is over in an instant has its end alone. */
const leastBetween = 1000;

export function createProgress(io: Io): Progress {
  return io.interactive ? barProgress(io) : lineProgress(io);
}

function barProgress(io: Io): Progress {
  const bars = new cliProgress.MultiBar(
    {
      format: '{title} [{bar}] {value}/{total}',
      hideCursor: true,
      clearOnComplete: true,
      barsize: 30,
      barCompleteChar: '#',
      barIncompleteChar: '-',
      stream: process.stderr,
      // Ctrl-C is the command's own affair: it says how to go on.
      gracefulExit: false,
    },
    cliProgress.Presets.legacy,
  );
  let bar: ReturnType<typeof bars.create> | undefined;
  let stopped = false;
  let tree: LiveTree | undefined;
  const { stderr } = process;
  const screen = {
    write: (text: string) => void stderr.write(text),
    columns: () => stderr.columns || 80,
    rows: () => stderr.rows || 24,
  };

  function stopBars(): void {
    if (stopped || bar === undefined) return;
    stopped = true;
    // Without this, lines that wait for the next turn are lost.
    bars.update();
    bars.stop();
  }

  return {
    get hasTree() {
      return tree !== undefined;
    },
    show(state) {
      stopBars();
      tree ??= createLiveTree({ screen, colour: io.colour, now: io.now });
      tree.show(state);
    },
    begin(title, total) {
      if (bar !== undefined) bars.remove(bar);
      const open = total === undefined;
      bar = bars.create(Math.max(total ?? 1, 1), 0, { title }, open ? { format: '{title}: {value}' } : {});
    },
    update(done) {
      if (stopped) return tree?.touch();
      bar?.update(done);
    },
    // MultiBar prints above the bars at its next turn, and only with a newline at the end.
    line(text) {
      if (tree) tree.line(text);
      else if (bar === undefined || stopped) io.err(`${text}\n`);
      else bars.log(`${safeText(text, io.colour)}\n`);
    },
    [Symbol.dispose]() {
      stopBars();
      tree?.[Symbol.dispose]();
      tree = undefined;
    },
  };
}

function lineProgress(io: Io): Progress {
  let title = '';
  let total: number | undefined;
  let said = 0;
  let saidAt = 0;
  return {
    hasTree: false,
    begin(newTitle, newTotal) {
      title = newTitle;
      total = newTotal;
      said = 0;
      saidAt = io.now();
    },
    update(done) {
      const step = total === undefined ? countPerLine : total / linesPerStep;
      if (done <= said || (done !== total && (done - said < step || io.now() - saidAt < leastBetween))) return;
      said = done;
      saidAt = io.now();
      io.err(total === undefined ? `${title}: ${done}\n` : `${title}: ${done}/${total}\n`);
    },
    line: (text) => io.err(`${text}\n`),
    [Symbol.dispose]() {},
  };
}
