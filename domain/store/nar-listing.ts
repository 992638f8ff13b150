import type { NarVisitor } from './nar-parser.ts';

/** Writes what is in a NAR as Nix does in `<hash>.ls`, while it is parsed. Source: Nix, src/libstore/nar-accessor.cc. */
export interface NarListing extends NarVisitor {
  /** JSON of the whole; `undefined` where it would be larger than it may. */
  text(): string | undefined;
  /** Whether it is larger already: the rest need not be read. */
  readonly isTooLong: boolean;
}

/** @param maxLength of the text, in characters. */
export function createNarListing(maxLength: number): NarListing {
  let pieces: string[] = [];
  let length = 0;
  let tooLong = false;
  /** Of each directory that is open, whether it has an entry already. */
  const started: boolean[] = [];

  function write(piece: string): void {
    length += piece.length;
    if (length > maxLength) {
      tooLong = true;
      pieces = [];
    } else pieces.push(piece);
  }

  function node(path: readonly string[], json: string): void {
    const inside = started.length - 1;
    if (inside < 0) return write(json);
    const comma = started[inside] ? ',' : '';
    started[inside] = true;
    write(`${comma}${JSON.stringify(text(path.at(-1) as string))}:${json}`);
  }

  return {
    file(path, size, executable, narOffset) {
      node(path, JSON.stringify({ type: 'regular', size, ...(executable && { executable }), narOffset }));
    },
    symlink: (path, target) => node(path, JSON.stringify({ type: 'symlink', target: text(target) })),
    directory(path) {
      node(path, '{"type":"directory","entries":{');
      started.push(false);
    },
    close() {
      started.pop();
      write('}}');
    },
    get isTooLong() {
      return tooLong;
    },
    text: () => (tooLong ? undefined : `{"version":1,"root":${pieces.join('')}}`),
  };
}

/** Names are bytes; those that are not UTF-8 cannot be said in JSON as they are. */
function text(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}
