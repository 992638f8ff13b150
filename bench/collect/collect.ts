import { performance } from 'node:perf_hooks';
import { createSystemRuntime } from '../../adapters/runtime/system-runtime.ts';
import { createSlices } from '../../coordinator/slices.ts';
import { encodeNixBase32 } from '../../domain/store/nix-base32.ts';
import { createFarm } from '../../projections/farm.ts';
import { planGarbage } from '../../projections/garbage.ts';
import type { BenchOptions, Report } from '../row.ts';

const references = 10;
/** Items refer to others of their island only; every other island is kept by a root. */
const island = 1000;

/** How long it takes to plan a collection over a million items, how long that holds the event loop, and what it needs beside the farm. */
export async function run(report: Report, { quick }: BenchOptions): Promise<void> {
  const size = quick ? 20_000 : 1_000_000;
  const farm = createFarm();
  const paths: string[] = [];
  for (let n = 0; n < size; n++) {
    const bytes = Buffer.alloc(20);
    bytes.writeUInt32LE(Math.imul(n, 2654435761) >>> 0, 16);
    bytes.writeUInt32LE(n, 12);
    paths.push(`${encodeNixBase32(bytes)}-item-${n}`);
  }
  const path = (n: number): string => paths[n] as string;
  const hash = (n: number): string => {
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32LE(n, 0);
    return `sha256:${encodeNixBase32(bytes)}`;
  };
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let n = 0; n < size; n++) {
    const first = n - (n % island);
    const refers = new Set<string>();
    for (let each = 0; each < references && n > first; each++) refers.add(path(first + random(n - first)));
    const file = { hash: hash(n), size: 1000, compression: 'zstd' } as const;
    const data = { path: path(n), narHash: file.hash, narSize: 4000, references: [...refers], file, signatures: [] };
    farm.apply('item', data.path.slice(0, 32), { type: 'StoreItemAdded', data }, 0, 1);
    if ((n / island) % 2 < 1 && n % island === island - 1) {
      const targets = Array.from({ length: island }, (_, back) => path(n - back));
      const event = { type: 'RootAdded', data: { targets, source: 'api' } } as const;
      farm.apply('root', `r${n}`, event, 0, 1, undefined, undefined, 'a');
    }
  }
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let most = before;
  let longest = 0;
  const runtime = createSystemRuntime({ keepAlive: true });
  let turn = performance.now();
  const timers = {
    after(ms: number, run: () => void) {
      longest = Math.max(longest, performance.now() - turn);
      most = Math.max(most, process.memoryUsage().rss);
      return runtime.timers.after(ms, () => {
        turn = performance.now();
        run();
      });
    },
  };
  const begun = performance.now();
  const cpu = process.cpuUsage();
  const inSlices = createSlices({ clock: runtime.clock, timers });
  const plan = await inSlices(planGarbage(farm, { recentFrom: 2, uploads: [] }));
  const ms = performance.now() - begun;
  const used = process.cpuUsage(cpu);
  longest = Math.max(longest, performance.now() - turn);
  most = Math.max(most, process.memoryUsage().rss);
  const note = `${size} items with up to ${references} references each, ${plan.garbage.length} of them garbage`;
  const own = `${((used.user + used.system) / 1e6).toFixed(2)} s of processor time`;
  report({ key: 'collect-plan', name: 'a collection planned', value: ms / 1000, unit: 's', note: `${note}; ${own}` });
  report({ key: 'collect-turn', name: 'longest turn of the loop in that', value: longest, unit: 'ms', note });
  const all = `${Math.round(before / 1e6)} MB for the farm itself`;
  report({ key: 'collect-memory', name: 'memory for that', value: (most - before) / 1e6, unit: 'MB', note: all });
}
