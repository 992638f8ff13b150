import type { Builder, BuildOutcome, BuildRequest, NarIntake, PathInfo } from '../../agent/ports/builder.ts';
import { BuilderError } from '../../agent/ports/builder.ts';
import { baseOf, fullPath, type Graph, hashOf, narOf, storeDir } from './graph.ts';
import type { Life } from './life.ts';
import type { MachineDisk } from './machine-disk.ts';

export interface BuilderWorld {
  readonly graph: Graph;
  readonly disk: MachineDisk;
  readonly life: Life;
  /** How many times longer than usual everything takes. */
  slowness(): number;
  /** How often the derivation was built before, anywhere in the farm. */
  tries(derivation: string): number;
  /** A build was ended before it was done. */
  aborted(derivation: string): void;
  /** An item came in with other bytes than its hash says. */
  unsound(path: string): void;
  /** A build began although not all was there. */
  unready(derivation: string, lacking: string): void;
}

/** Nix as an agent sees it, in memory: a store that is strict about references, and builds that take their time. */
export function createSimulatedBuilder(world: BuilderWorld): Builder {
  const { disk, life, graph } = world;
  const { items } = disk;

  function build(request: BuildRequest): Promise<BuildOutcome> {
    const derivation = baseOf(request.derivationPath);
    const recipe = graph.recipe(derivation);
    if (!recipe) throw new Error(`there is no derivation ${derivation}`);
    const lacking = request.inputs.find((input) => !items.has(input));
    if (lacking !== undefined) world.unready(derivation, lacking);
    const tries = world.tries(derivation);
    const durationMs = Math.ceil(recipe.ms * world.slowness());
    return new Promise((resolve) => {
      const done = life.after(durationMs, () => {
        request.signal.removeEventListener('abort', abort);
        resolve(outcome());
      });
      const abort = (): void => {
        done[Symbol.dispose]();
        if (!life.alive) return;
        world.aborted(derivation);
        life.after(5, () => resolve({ status: 'canceled' }));
      };
      request.signal.addEventListener('abort', abort, { once: true });
      void request.onLog(Buffer.from(`building ${derivation}\n`));
    });

    function outcome(): BuildOutcome {
      if (disk.full) return { status: 'failed', class: 'disk-full', message: 'no space left on device' };
      if (recipe?.temper === 'hopeless') return { status: 'failed', class: 'agent-error', message: 'as it is' };
      const isLuckless = recipe?.temper === 'fails' || (recipe?.temper === 'flaky' && tries === 0);
      if (isLuckless) return { status: 'failed', class: 'builder-failed', message: 'exit code 1' };
      for (const [output, references] of recipe?.references ?? []) {
        const nar = narOf(output, references);
        items.set(fullPath(output), { nar, narHash: hashOf(nar), references });
      }
      return { status: 'built', durationMs };
    }
  }

  const intake = life.mortal<NarIntake>({
    by: 'nars',
    async addItem(item, nar) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of nar) chunks.push(chunk);
      await life.io(8);
      if (disk.full) throw new BuilderError('disk-full', 'no space left on device');
      const lacking = item.references.find((reference) => reference !== item.path && !items.has(reference));
      if (lacking !== undefined) throw new BuilderError('refused', `${lacking} is not valid`);
      const bytes = Buffer.concat(chunks);
      if (hashOf(bytes) !== item.narHash) world.unsound(item.path);
      items.set(item.path, { nar: bytes, narHash: item.narHash, references: item.references });
    },
  });
  const builder: Builder = {
    storeDir,
    describe: async () => 'simulated 1',
    circumstances: async () => ({ trusted: true, details: {} }),
    async open() {
      await life.io(4);
      return { hold: async () => life.io(3), build, [Symbol.asyncDispose]: async () => undefined };
    },
    async missing(paths) {
      await life.io(4);
      return paths.filter((path) => !items.has(path));
    },
    intake,
    distrust: (paths) => paths.forEach((path) => void items.delete(path)),
    checkStore: async () => undefined,
    tidy: async () => undefined,
    async pathInfo(path): Promise<PathInfo | undefined> {
      await life.io(4);
      const item = items.get(path);
      return item && { path, narHash: item.narHash, narSize: item.nar.length, references: item.references };
    },
    async *dump({ path }) {
      const item = items.get(path);
      if (!item) throw new BuilderError('refused', `${path} is not valid`);
      yield item.nar;
    },
    async [Symbol.asyncDispose]() {},
  };
  return life.mortal(builder);
}
