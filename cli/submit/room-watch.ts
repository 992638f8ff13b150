import type { FarmStatus, Why } from '../../coordinator/application.ts';

export interface RoomWatchOptions {
  /** The builds that agents have. */
  live(): Iterable<string>;
  /** Rejections of both are taken for "not known": it is asked again later. An older coordinator does not say `uploads`. */
  status(): Promise<Partial<Pick<FarmStatus, 'uploads'>>>;
  ask(build: string): Promise<Why>;
  /** What has been built and cannot be uploaded, in the coordinator's words; again only once none had to wait in between. */
  found(build: string, summary: string): void;
  /** Milliseconds before each question. */
  readonly pauseMs?: number;
}

/** Of so many builds it is asked at a time. */
const most = 50;

/** Tells where what was built waits for room in the pool: no event says it, and the build only seems to run on. */
export function watchForRoom({ live, status, ask, found, pauseMs = 10_000 }: RoomWatchOptions): Disposable {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  let said = false;

  /** The first of the builds whose upload waits. One question where none of the farm does. */
  async function waiting(): Promise<Why | undefined> {
    const builds = [...live()].slice(0, most);
    if (builds.length === 0 || !(await status()).uploads?.waiting) return undefined;
    for (const build of builds) {
      if (over) return undefined;
      const why = await ask(build);
      if (why.reason === 'running' && why.wait?.for === 'upload') return why;
    }
    return undefined;
  }

  async function look(): Promise<void> {
    try {
      const why = await waiting();
      if (over) return;
      if (why !== undefined && !said) found(why.build, why.summary);
      said = why !== undefined;
    } catch {
      // Who reads the events says that the coordinator is away.
    }
    if (!over) timer = setTimeout(() => void look(), pauseMs);
  }

  timer = setTimeout(() => void look(), pauseMs);
  return {
    [Symbol.dispose]() {
      over = true;
      clearTimeout(timer);
    },
  };
}
