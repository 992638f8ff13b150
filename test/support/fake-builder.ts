import {
  type Builder,
  BuilderError,
  type BuildOutcome,
  type BuildRequest,
  type NarIntake,
} from '../../agent/ports/builder.ts';
import { createNarVerifier } from '../../domain/store/nar-verifier.ts';

/** The NAR of a regular file. */
export function fileNar(contents: string | Uint8Array): Buffer {
  const bytes = Buffer.from(contents);
  const token = (value: string | Buffer) => {
    const data = Buffer.from(value);
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(BigInt(data.length));
    return Buffer.concat([head, data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
  };
  return Buffer.concat(['nix-archive-1', '(', 'type', 'regular', 'contents', bytes, ')'].map(token));
}

interface FakeItem {
  readonly nar: Buffer;
  readonly references: readonly string[];
}

/**
 * A builder without a builder: a store in memory, and builds that do what a test says. It is as strict as a real one about
 * references that have to be there first.
 */
export function createFakeBuilder(
  build: (request: BuildRequest, put: (path: string, contents: string | Uint8Array) => void) => Promise<BuildOutcome>,
) {
  const items = new Map<string, FakeItem>();
  const held = new Set<string>();
  const added: string[] = [];
  let sessions = 0;

  const intake: NarIntake = {
    by: 'nars',
    async addItem(item, nar) {
      for (const reference of item.references) {
        if (reference !== item.path && !items.has(reference))
          throw new BuilderError('refused', `${reference} is not valid`);
      }
      const chunks: Uint8Array[] = [];
      for await (const chunk of nar) chunks.push(chunk);
      items.set(item.path, { nar: Buffer.concat(chunks), references: item.references });
      added.push(item.path);
    },
  };
  const builder: Builder = {
    storeDir: '/nix/store',
    describe: () => Promise.resolve('fake 1'),
    circumstances: () => Promise.resolve({ trusted: true, details: {} }),
    open() {
      sessions++;
      return Promise.resolve({
        hold(paths) {
          for (const path of paths) held.add(path);
          return Promise.resolve();
        },
        build: (request) =>
          build(request, (path, contents) => items.set(path, { nar: fileNar(contents), references: [] })),
        [Symbol.asyncDispose]() {
          sessions--;
          return Promise.resolve();
        },
      });
    },
    missing: (paths) => Promise.resolve(paths.filter((path) => !items.has(path))),
    intake,
    distrust: (paths) => paths.forEach((path) => void items.delete(path)),
    checkStore: () => Promise.resolve(),
    tidy: () => Promise.resolve(),
    pathInfo(path) {
      const item = items.get(path);
      if (item === undefined) return Promise.resolve(undefined);
      const verifier = createNarVerifier({ maxSize: item.nar.length });
      verifier.write(item.nar);
      return Promise.resolve({ path, ...verifier.end(), references: item.references });
    },
    async *dump({ path }) {
      await Promise.resolve();
      yield (items.get(path) as FakeItem).nar;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return {
    ...builder,
    intake,
    items,
    held,
    /** Paths in the order in which they were added. */
    added,
    get sessions() {
      return sessions;
    },
  };
}
