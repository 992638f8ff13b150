import type { Runtime } from '../../coordinator/ports/runtime.ts';
import { type Derivation, parseDerivation } from '../../domain/store/derivation.ts';
import { sha256 } from '../../domain/store/sha256.ts';
import { makeTextPath } from '../../domain/store/store-path.ts';
import type { Limiter } from '../limiter.ts';
import type { Builder, BuilderSession } from '../ports/builder.ts';
import type { DerivationTexts } from '../ports/derivation-texts.ts';
import { TransferError } from '../ports/transfer-error.ts';
import { retry } from '../retry.ts';
import type { Waits } from '../waits.ts';
import { referencesFirst } from './references-first.ts';

export interface DerivationFetcherOptions {
  readonly builder: Pick<Builder, 'storeDir' | 'missing' | 'intake'>;
  /** Not asked where the store takes NARs. */
  readonly texts: DerivationTexts | undefined;
  readonly runtime: Runtime;
  /** Requests at a time, over all attempts. */
  readonly requests: Limiter;
}

/** What a derivation is made of, as far as the store lacks it. */
export interface Recipe {
  /** Sources (full paths) that have to be valid before {@link Recipe.add}, valid or not. */
  readonly sources: readonly string[];
  /** Derivations that the coordinator does not have (full paths). */
  readonly missing: readonly string[];
  /** Adds the derivations, inputs first. */
  add(signal: AbortSignal): Promise<void>;
}

/** Brings derivations into a store whose daemon builds only what lies there, with all derivations and sources that they are made of. */
export interface DerivationFetcher {
  /** Finds out what is needed of the derivation at `path`, whose text is given, and holds it. A coordinator that is away is waited for. */
  find(session: BuilderSession, path: string, text: Uint8Array, signal: AbortSignal, waits: Waits): Promise<Recipe>;
}

const nothing: Recipe = { sources: [], missing: [], add: () => Promise.resolve() };
/** More than the largest graph of derivations has: what refers on and on comes to an end. */
const mostDerivations = 1_000_000;

export function createDerivationFetcher(options: DerivationFetcherOptions): DerivationFetcher {
  const { builder, texts, runtime, requests } = options;
  const { storeDir, intake } = builder;
  const retrying = { runtime, pause: { first: 500, most: 15_000 }, tries: 10 };

  function baseOf(path: string): string {
    return path.slice(storeDir.length + 1);
  }

  /** Checked here: a text that is another's would be added under another path. */
  function read(path: string, text: Uint8Array): Derivation {
    const derivation = parseDerivation(text, { storeDir });
    const made = makeTextPath(baseOf(path).slice(33), sha256(text), referencesOf(derivation), storeDir);
    if (made === path) return derivation;
    throw new TransferError('wrong-derivation', `${path}: expected its text, got that of ${made}`, { status: 1 });
  }

  async function fetchText(path: string, signal: AbortSignal, waits: Waits): Promise<Uint8Array | undefined> {
    const away = (reason: string | undefined): void =>
      reason === undefined ? waits.over(path) : waits.begin(path, 'inputs', reason);
    return retry({ ...retrying, signal, away }, () =>
      requests.run(signal, async () => texts?.text(baseOf(path), signal)),
    );
  }

  return {
    async find(session, root, rootText, signal, waits) {
      if (intake.by !== 'substitutes') return nothing;
      const found = new Map<string, { readonly text: Uint8Array; readonly derivation: Derivation }>();
      const missing: string[] = [];
      const seen = new Set([root]);
      for (let level = [root]; level.length > 0; ) {
        // Held before they are looked for: what is valid then stays valid, and so does what it is made of.
        await session.hold(level);
        const lacking = await builder.missing(level, signal);
        const got = await Promise.all(
          lacking.map(async (path) => (path === root ? rootText : fetchText(path, signal, waits))),
        );
        level = [];
        for (const [index, path] of lacking.entries()) {
          const text = got[index];
          if (text === undefined) {
            missing.push(path);
            continue;
          }
          const derivation = read(path, text);
          found.set(path, { text, derivation });
          for (const { path: input } of derivation.inputDerivations) {
            if (seen.has(input)) continue;
            seen.add(input);
            level.push(input);
          }
        }
        if (seen.size > mostDerivations)
          throw new TransferError('too-large', `${root}: expected at most ${mostDerivations} derivations, got more`, {
            status: 1,
          });
      }
      return {
        sources: [...new Set([...found.values()].flatMap(({ derivation }) => derivation.inputSources))],
        missing,
        async add(adding) {
          const order = referencesFirst(
            found,
            ({ derivation }) => derivation.inputDerivations.map(({ path }) => path),
            (path, input) => {
              throw new TransferError('wrong-derivation', `${path}: is made of itself by ${input}`, { status: 1 });
            },
          );
          for (const path of order) {
            const one = found.get(path);
            if (one === undefined) continue;
            const { text, derivation } = one;
            await intake.addText(baseOf(path).slice(33), text, referencesOf(derivation), adding);
          }
        },
      };
    },
  };
}

function referencesOf({ inputDerivations, inputSources }: Derivation): string[] {
  return [...inputDerivations.map(({ path }) => path), ...inputSources].sort();
}
