/** Hands values from whoever puts them to whoever waits for them, in order; so that a test waits for what happens, not for time. */
export interface Mailbox<Value> {
  put(value: Value): void;
  /** The next value, once there is one. */
  take(): Promise<Value>;
  /** Values that nobody took. */
  readonly size: number;
}

export function createMailbox<Value>(): Mailbox<Value> {
  const values: Value[] = [];
  const waiting: ((value: Value) => void)[] = [];
  return {
    put(value) {
      const taker = waiting.shift();
      if (taker === undefined) values.push(value);
      else taker(value);
    },
    take() {
      return values.length > 0
        ? Promise.resolve(values.shift() as Value)
        : new Promise((resolve) => waiting.push(resolve));
    },
    get size() {
      return values.length;
    },
  };
}
