import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, constants, mkdirSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createMailbox } from '../mailbox.ts';

/** A builder that stands at a gate. */
export interface Arrival {
  /** Resolves once the builder's process is gone, whether it went on or was killed. */
  readonly gone: Promise<void>;
}

/**
 * Holds builders up until a test lets them pass. A gate is two named pipes in a folder that the sandbox shows as /gate:
 * the builder writes a line to `<name>.here`, keeps it open for as long as it lives, and reads a line from `<name>.go`.
 */
export interface Gate {
  /** The next builder that arrives. */
  arrived(): Promise<Arrival>;
  /** Lets the next builder pass, or the one that stands there. */
  open(): void;
}

export interface Gates extends Disposable {
  /** Folder to be shown as /gate. */
  readonly folder: string;
  gate(name: string): Gate;
}

/** Makes the gates of these names at once: a builder that came before would make a plain file. */
export function createGates(folder: string, names: readonly string[]): Gates {
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  using undo = new DisposableStack();
  const gates = new Map<string, Gate>();

  const here = (name: string) => join(folder, `${name}.here`);
  const go = (name: string) => join(folder, `${name}.go`);
  execFileSync('mkfifo', ['-m', '666', ...names.flatMap((name) => [here(name), go(name)])]);

  function make(name: string): Gate {
    // Opened for both, so that opening waits for nobody and what is written waits for its reader.
    const passes = openSync(go(name), constants.O_RDWR | constants.O_NONBLOCK);
    stack.defer(() => closeSync(passes));
    const arrivals = createMailbox<Arrival>();
    listen(here(name), arrivals.put, stack);
    return { arrived: () => arrivals.take(), open: () => void writeSync(passes, 'go\n') };
  }

  const stack = undo.move();
  for (const name of names) gates.set(name, make(name));
  return {
    folder,
    gate(name) {
      const gate = gates.get(name);
      if (!gate) throw new Error(`expected a gate of graph.nix, got ${name}`);
      return gate;
    },
    [Symbol.dispose]: () => stack[Symbol.dispose](),
  };
}

/** A pipe ends when its last writer is gone; then the next one is waited for. */
function listen(path: string, arrived: (arrival: Arrival) => void, stack: DisposableStack): void {
  let closed = false;
  let current: Socket | undefined;
  function next(): void {
    const socket = new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true });
    current = socket;
    const gone = Promise.withResolvers<void>();
    socket.on('data', (data) => {
      for (let lines = data.toString().split('\n').length - 1; lines > 0; lines--) arrived({ gone: gone.promise });
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!closed) next();
      gone.resolve();
    });
  }
  next();
  stack.defer(() => {
    closed = true;
    current?.destroy();
  });
}
