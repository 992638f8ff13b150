import type { ReadContext } from './context.ts';

/** Whether the coordinator takes writes, why it does not, and what an operator has to know where it does. */
export function readinessOf({
  application,
  views,
  openFiles,
}: Pick<ReadContext, 'application' | 'views' | 'openFiles'>): {
  readonly unready: string[] | undefined;
  readonly warnings: string[];
} {
  const { ready, reasons } = application.readiness();
  if (!ready) return { unready: [...reasons], warnings: [] };
  const trouble = views.trouble();
  // Nothing else would say that a list which has nothing lacks all.
  const behind = trouble === undefined ? [] : [`lists and searches show nothing new until this is over: ${trouble}`];
  const files = openFiles?.();
  return { unready: undefined, warnings: [...reasons, ...behind, ...(files === undefined ? [] : [files])] };
}
