import type { Runtime } from '../../coordinator/ports/runtime.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './time.ts';

/** One process, from its start until it is killed: then its timers never fire, and nothing answers it any more. */
export interface Life {
  readonly alive: boolean;
  readonly runtime: Runtime;
  readonly random: Random;
  /** Calls `run` unless it is dead by then. */
  after(ms: number, run: () => void): Disposable;
  /** For a disk or a network, some milliseconds; never resolves once it is dead. */
  io(most?: number): Promise<void>;
  /** The result, or nothing ever where it is dead when there is one. */
  answer<Value>(result: Promise<Value>): Promise<Value>;
  /** The port as this process has it: what it asks for is not answered once it is dead. */
  mortal<Port extends object>(port: Port): Port;
  kill(): void;
}

/** How late a timer of a process may be, in milliseconds: that is what lets two of them change places. */
const latest = 3;

export function createLife(time: VirtualTime, random: Random): Life {
  let alive = true;
  const never = <Value>(): Promise<Value> => new Promise(() => undefined);

  function after(ms: number, run: () => void): Disposable {
    return time.after(ms, () => {
      if (alive) run();
    });
  }

  function answer<Value>(result: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      result.then(
        (value) => alive && resolve(value),
        (error: unknown) => alive && reject(error),
      );
    });
  }

  const life: Life = {
    get alive() {
      return alive;
    },
    runtime: {
      clock: time.runtime.clock,
      timers: { after: (ms, run) => after(Math.ceil(ms) + random.below(latest + 1), run) },
      random,
    },
    random,
    after,
    io: (most = 20) => new Promise((resolve) => void after(1 + random.below(most), resolve)),
    answer,
    mortal: (port) =>
      new Proxy(port, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== 'function') return member;
          return (...given: unknown[]) => {
            if (!alive) return never();
            const result: unknown = member.apply(target, given);
            return result instanceof Promise ? answer(result) : result;
          };
        },
      }),
    kill() {
      alive = false;
    },
  };
  return life;
}
