import type { NarVisitor } from './nar-parser.ts';

/** Finds what debug information a NAR has, by the build ids of programs: `lib/debug/.build-id/<2 digits>/<38 digits>.debug`. */
export interface DebugIds extends NarVisitor {
  /** 40 digits of base 16 each. */
  readonly found: readonly string[];
}

/** Where, in an item, the debug information for a build id is. */
export const debugMember = (buildId: string): string =>
  `lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;

/** @param most that are kept. */
export function createDebugIds(most: number): DebugIds {
  const found: string[] = [];
  return {
    found,
    file(path) {
      if (path.length !== 5 || path[2] !== '.build-id' || path[1] !== 'debug' || path[0] !== 'lib') return;
      const [, , , start = '', rest = ''] = path;
      if (found.length < most && /^[0-9a-f]{2}$/.test(start) && /^[0-9a-f]{38}\.debug$/.test(rest))
        found.push(start + rest.slice(0, 38));
    },
    symlink() {},
    directory() {},
    close() {},
  };
}
