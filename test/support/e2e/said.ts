/** What a command says bit by bit, for those who wait for something of it. */
export interface Said {
  add(text: string): void;
  /** Nothing comes after this. */
  end(): void;
  text(): string;
  /** Resolves once the text matches, or with `undefined` if it ends without. */
  says(pattern: RegExp): Promise<RegExpExecArray | undefined>;
}

export function createSaid(): Said {
  const listeners = new Set<() => void>();
  let text = '';
  let over = false;
  return {
    add(more) {
      text += more;
      for (const look of listeners) look();
    },
    end() {
      over = true;
      for (const look of listeners) look();
    },
    text: () => text,
    says: (pattern) =>
      new Promise((resolve) => {
        const look = () => {
          const match = pattern.exec(text);
          if (match === null && !over) return;
          listeners.delete(look);
          resolve(match ?? undefined);
        };
        listeners.add(look);
        look();
      }),
  };
}
