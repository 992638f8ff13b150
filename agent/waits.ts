/** What one attempt waits for at the coordinator, because that cannot be reached or has no room. */
export interface Waits {
  /** `name` tells the waits of an attempt apart. */
  begin(name: string, what: Wait['for'], reason: string): void;
  over(name: string): void;
  /** The one that began first. */
  readonly current: Wait | undefined;
}

export interface Wait {
  readonly for: 'inputs' | 'upload';
  /** What the coordinator, or whoever answered in its place, said last. */
  readonly reason: string;
}

/** `changed` is called when the attempt begins to wait and when it goes on. */
export function createWaits(changed: (now: Wait | undefined) => void): Waits {
  const waits = new Map<string, Wait>();
  const first = (): Wait | undefined => waits.values().next().value;
  return {
    begin(name, what, reason) {
      const waited = waits.size > 0;
      waits.set(name, { for: what, reason });
      if (!waited) changed(first());
    },
    over(name) {
      if (waits.delete(name) && waits.size === 0) changed(undefined);
    },
    get current() {
      return first();
    },
  };
}
