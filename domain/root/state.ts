import type { RootEvent, RootSource } from './events.ts';

/** What a root's events add up to. It is there while it has targets. */
export interface RootState {
  readonly source: RootSource;
  /** Base names of the store items that it keeps, each with the instant at which that ends; `Infinity` for none. */
  readonly targets: ReadonlyMap<string, number>;
}

export const initialRoot: RootState = { source: 'api', targets: new Map() };

export function evolveRoot(state: RootState, event: RootEvent): RootState {
  switch (event.type) {
    case 'RootAdded': {
      const { until = Number.POSITIVE_INFINITY, source } = event.data;
      const targets = new Map(state.targets);
      for (const target of event.data.targets) targets.set(target, Math.max(until, targets.get(target) ?? 0));
      return { source, targets };
    }
    case 'RootExpired': {
      const { until } = event.data;
      return { ...state, targets: new Map([...state.targets].filter(([, end]) => end > until)) };
    }
    case 'RootRemoved': {
      if (event.data.targets === undefined) return { ...state, targets: new Map() };
      const targets = new Map(state.targets);
      for (const target of event.data.targets) targets.delete(target);
      return { ...state, targets };
    }
    default:
      return state;
  }
}
