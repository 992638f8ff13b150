import { importPeer } from './packages.ts';

/** What benches use of graphile-worker. */
export interface GraphileWorker {
  makeWorkerUtils(options: object): Promise<{
    migrate(): Promise<void>;
    addJobs(jobs: readonly { readonly identifier: string; readonly payload: object }[]): Promise<unknown>;
    release(): Promise<void>;
  }>;
  run(options: object): Promise<{ readonly promise: Promise<void>; stop(): Promise<void> }>;
  readonly Logger: new (factory: () => () => void) => object;
}

interface Client {
  on(event: 'error', listener: () => void): void;
}

export interface Pg {
  readonly Pool: new (
    options: object,
  ) => Client & {
    on(event: 'connect', listener: (client: Client) => void): void;
    query(sql: string): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
    end(): Promise<void>;
  };
}

export const importGraphileWorker = async (): Promise<GraphileWorker> =>
  (await importPeer('graphile-worker')) as unknown as GraphileWorker;
export const importPg = async (): Promise<Pg> => (await importPeer('pg')) as unknown as Pg;
