import { setImmediate as nextTurn } from 'node:timers/promises';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import type { DerivationLimits } from '../../domain/limits.ts';
import { type Derivation, parseDerivation } from '../../domain/store/derivation.ts';
import { findExcess } from '../../domain/store/verify-derivation.ts';
import { CliError } from '../output/cli-error.ts';
import type { DerivationSource } from './derivation-source.ts';

/** The derivations that some roots need, themselves included. */
export interface Closure {
  /** Base names, inputs before what needs them. */
  readonly order: readonly string[];
  /** Derivations that are named as inputs but are not here, with one that needs each. They are not in `order`. */
  readonly absent: ReadonlyMap<string, string>;
  /** Derivations that the coordinator would not take, with what was expected and what came. They are in `order`. */
  readonly tooLarge: ReadonlyMap<string, string>;
  /** Base names of all input sources, in the order in which they were met. */
  readonly sources: ReadonlySet<string>;
  /** Size of all derivation texts, in bytes. */
  readonly bytes: number;
}

/** How many files are read before the event loop gets its turn, so that Ctrl-C and the progress bar work. */
const filesPerTurn = 100;

/**
 * Reads the closure of `roots`. Keeps names only: the texts are read again when they are sent, so that memory does not
 * grow with their size.
 */
export async function readClosure(
  roots: readonly string[],
  source: DerivationSource,
  onRead: (count: number) => void = () => {},
  limits?: DerivationLimits,
): Promise<Closure> {
  const order: string[] = [];
  const absent = new Map<string, string>();
  const tooLarge = new Map<string, string>();
  const sources = new Set<string>();
  const state = new Map<string, 'open' | 'done'>();
  const baseOf = interner(source.storeDir.length + 1);
  let bytes = 0;
  let read = 0;

  for (const root of roots) {
    const path: { readonly base: string; readonly inputs: readonly string[]; next: number }[] = [];
    enter(root, undefined);
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      const input = node.inputs[node.next++];
      if (input === undefined) {
        state.set(node.base, 'done');
        order.push(node.base);
        path.pop();
      } else if (state.get(input) === 'open') {
        throw new CliError(
          'cycle',
          `${input} and ${node.base} need each other: these are not derivations that a store could hold`,
        );
      } else {
        enter(input, node.base);
        if (read % filesPerTurn === 0) {
          onRead(read);
          await nextTurn();
        }
      }
    }

    function enter(base: string, neededBy: string | undefined): void {
      if (state.has(base)) return;
      const text = source.read(base);
      if (text === undefined) {
        if (neededBy === undefined) {
          throw new CliError('not-found', `there is no ${base} here`, {
            hint: `give --store-root for a chroot store, --derivations for a folder of .drv files${source.storeDir === guixStoreDir ? ', or have it sent by the machine that has it: guix archive --export -r DRV | drover submit --guix -' : ''}`,
            exitCode: 2,
          });
        }
        state.set(base, 'done');
        absent.set(base, neededBy);
        return;
      }
      const { storeDir } = source;
      const derivation = parse(base, text, storeDir);
      const excess = limits && findExcess(`${storeDir}/${base}`, derivation, text.length, { storeDir }, limits);
      if (excess !== undefined) tooLarge.set(base, excess);
      for (const item of derivation.inputSources) sources.add(baseOf(item));
      const inputs = derivation.inputDerivations.map((input) => baseOf(input.path));
      state.set(base, 'open');
      path.push({ base, inputs, next: 0 });
      bytes += text.length;
      read++;
    }
  }
  onRead(read);
  return { order, absent, tooLarge, sources, bytes };
}

function parse(base: string, text: Uint8Array, storeDir: string): Derivation {
  try {
    return parseDerivation(text, { storeDir });
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string') throw error;
    throw new CliError(code, `${base}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Gives one copy per name, that is not a slice: V8's slices keep the whole derivation's text alive, and most names come
 * up again and again (1.4 million times 44,067 names in Guix).
 */
function interner(start: number): (path: string) => string {
  const names = new Map<string, string>();
  return (path) => {
    const slice = path.slice(start);
    const known = names.get(slice);
    if (known !== undefined) return known;
    const own = Buffer.from(slice, 'latin1').toString('latin1');
    names.set(own, own);
    return own;
  };
}
