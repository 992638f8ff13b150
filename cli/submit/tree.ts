import stringWidth from 'string-width';
import type { Outlook, OutlookNode } from '../../coordinator/application.ts';
import { estimateText } from '../output/estimate.ts';
import { elide } from '../output/fit.ts';
import { duration, paint, printable, shortName } from '../output/text.ts';

/** What the tree is drawn of. */
export interface TreeState {
  readonly outlook: Outlook;
  /** How far it is by the events of the log, which are newer. */
  readonly ended: number;
  readonly states: Readonly<Record<'allocated' | 'running' | 'failed' | 'canceled', number>>;
  readonly total: number;
  /** Of the builds that have ended. */
  readonly has: (build: string) => boolean;
  /** Milliseconds since the Unix epoch, and since when it is under way. */
  readonly now: number;
  readonly begun: number;
}

/** Columns and lines that there are, and whether colours are wanted. */
export interface TreeSpace {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
}

/** How deep it goes at most, and what a level takes. */
const deepest = 6;
const indent = 2;
/** Below this many columns there is no tree, only what runs. */
const treeColumns = 50;
/** Of a terminal's lines the tree leaves some for what stays above it. */
const share = 0.6;
const mostLines = 40;

/**
 * What runs and, below each and less far in, what waits for it, as in nix-output-monitor, with the counts and the end in the last two lines. The most critical builds are shown
 * where not all fit. No line is wider than the terminal.
 */
export function drawTree(state: TreeState, { columns, rows, colour }: TreeSpace): readonly string[] {
  const width = Math.max(1, columns - 1);
  const open = state.outlook.nodes.filter(({ build }) => !state.has(build));
  const room = Math.max(0, Math.min(mostLines, Math.floor(rows * share)) - 3);
  const shown = choose(open, room, columns < treeColumns);
  const lines = layOut(shown).map(({ node, prefix }) => {
    const { symbol, style } = symbols[node.state];
    const head = fitted(`${prefix}${symbol} `, width);
    const rest = fitted(textOf(node, state.now, width - stringWidth(head)), width - stringWidth(head));
    return `${head}${paint(rest, style, colour)}`;
  });
  const running = open.filter(isRunning).length;
  const hidden = running - shown.filter(isRunning).length;
  if (hidden > 0) lines.push(fitted(`… ${hidden} more running`, width));
  return [...lines, paint(fitted(countsText(state), width), 'heading', colour), fitted(endText(state), width)];
}

const symbols: Readonly<Record<OutlookNode['state'], { symbol: string; style: string }>> = {
  building: { symbol: '▶', style: 'running' },
  fetching: { symbol: '↓', style: 'running' },
  ready: { symbol: '·', style: 'queued' },
  deferred: { symbol: '◷', style: 'dim' },
  'back-off': { symbol: '↻', style: 'canceled' },
  waiting: { symbol: '⏸', style: 'dim' },
  blocked: { symbol: '✗', style: 'failed' },
};

const isRunning = ({ state }: Pick<OutlookNode, 'state'>): boolean => state === 'building' || state === 'fetching';

/** What runs first, then what waits for it, level by level, then what could run; each time the most critical first. */
function choose(nodes: readonly OutlookNode[], room: number, flat: boolean): readonly OutlookNode[] {
  const byBuild = new Map(nodes.map((node) => [node.build, node]));
  const chosen = new Set<OutlookNode>();
  const add = (node: OutlookNode | undefined): void => {
    if (node !== undefined && chosen.size < room) chosen.add(node);
  };
  const running = nodes.filter(isRunning);
  for (const node of running) add(node);
  const levels = (starts: readonly OutlookNode[]): void => {
    let level = starts;
    for (let depth = 1; depth < deepest && level.length > 0 && !flat; depth++) {
      const next: OutlookNode[] = [];
      for (const { parent } of level) {
        const above = parent === undefined ? undefined : byBuild.get(parent);
        if (above === undefined || chosen.has(above)) continue;
        add(above);
        next.push(above);
      }
      level = next;
    }
  };
  levels(running);
  const others = nodes.filter(({ state }) => !isRunning({ state }) && state !== 'waiting');
  for (const node of others) add(node);
  levels(others);
  return nodes.filter((node) => chosen.has(node));
}

interface Laid {
  readonly node: OutlookNode;
  readonly prefix: string;
}

/** Each above what waits for it, and further in than that. */
function layOut(nodes: readonly OutlookNode[]): readonly Laid[] {
  const shown = new Set(nodes.map(({ build }) => build));
  const below = new Map<string, OutlookNode[]>();
  const roots: OutlookNode[] = [];
  for (const node of nodes) {
    if (node.parent === undefined || !shown.has(node.parent)) roots.push(node);
    else below.set(node.parent, [...(below.get(node.parent) ?? []), node]);
  }
  const laid: Laid[] = [];
  /** @param bars what is left of the node's own mark, on its line and on those of all above it. */
  const put = (node: OutlookNode, bars: string, mark: string, depth: number): void => {
    const inner = `${bars}${mark === '' ? '' : mark === '┌' ? ' '.repeat(indent) : '│ '.padEnd(indent)}`;
    const children = depth >= deepest ? [] : (below.get(node.build) ?? []);
    for (const [index, child] of children.entries()) put(child, inner, index === 0 ? '┌' : '├', depth + 1);
    laid.push({ node, prefix: `${bars}${mark === '' ? '' : `${mark}─`.padEnd(indent)}` });
  };
  for (const root of roots) put(root, '', '', 1);
  return laid;
}

function textOf(
  { derivation, state, agent, attempt = 1, since, before, lacks }: OutlookNode,
  now: number,
  room: number,
): string {
  const name = printable(shortName(derivation));
  const parts: string[] = [];
  if (agent !== undefined && since !== undefined) {
    const took = duration(Math.max(0, Math.floor((now - since) / 1000) * 1000));
    parts.push(`${state} ${took} of ${before === undefined ? '∅' : `~${duration(before)}`}`, `on ${printable(agent)}`);
    if (attempt > 1) parts.push(`attempt ${attempt}`);
  } else if (state === 'waiting') parts.push(`waits for ${lacks}`);
  // As `builds list` has it, and its --state takes it.
  else parts.push(state === 'back-off' ? 'backoff' : state);
  const rest = parts.join(' ');
  // The name gives way first, to a point: what it is doing is what changes.
  const left = Math.max(8, room - stringWidth(rest) - 1);
  return `${elide(name, left, stringWidth)} ${rest}`;
}

function countsText({ outlook: { counts }, states, ended, total }: TreeState): string {
  // How those stand that are queued only the outlook says. What has begun since, was ready; what is more, waited before it.
  const { ready, waiting, blocked, deferred = 0, 'back-off': backOff } = counts;
  const queued = total - ended - states.allocated - states.running;
  const begun = Math.max(0, ready + waiting + blocked + deferred + backOff - queued);
  const parts: readonly (readonly [number, string])[] = [
    [states.running, '▶ building'],
    [states.allocated, '↓ fetching'],
    [Math.max(0, ready - begun), '· ready'],
    [deferred, '◷ deferred'],
    [backOff, '↻ backoff'],
    [waiting - Math.min(waiting, Math.max(0, begun - ready)), '⏸ waiting'],
    [blocked, '✗ blocked'],
    [states.failed, 'failed'],
    [states.canceled, 'canceled'],
  ];
  const said = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return [`${ended}/${total} ended`, ...said].join(' │ ');
}

function endText({ outlook: { estimate }, now, begun }: TreeState): string {
  // The coordinator's clock, which says when one began that was submitted before, may be ahead.
  return `${duration(Math.floor(Math.max(0, now - begun) / 1000) * 1000)} so far, ends ${estimateText(estimate, now)}`;
}

/** So much of the text as fits, with a mark where something is cut off. */
function fitted(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  for (const char of text) {
    if (stringWidth(kept + char) > width - 1) break;
    kept += char;
  }
  return width < 1 ? '' : `${kept}…`;
}
