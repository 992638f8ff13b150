import type { Runtime } from '../../coordinator/ports/runtime.ts';
import type { BuiltOutput } from '../../domain/agent/messages.ts';
import type { AttemptRecord, OutputRecord } from '../attempt-record.ts';
import type { Limiter } from '../limiter.ts';
import { type AttemptFiles, syncedSpoolBytes } from '../ports/attempt-store.ts';
import { type Builder, BuilderError, isBuilderError } from '../ports/builder.ts';
import type { Uploads } from '../ports/uploads.ts';
import { retry } from '../retry.ts';
import type { Waits } from '../waits.ts';
import type { PartSize } from './part-size.ts';
import { uploadOutput } from './upload-output.ts';

export interface DeliverOptions {
  readonly builder: Builder;
  readonly uploads: Uploads;
  readonly runtime: Runtime;
  /** Outputs that are compressed or sent at a time, over all attempts. */
  readonly limiter: Limiter;
  readonly parts: PartSize;
  readonly waits: Waits;
  readonly signal: AbortSignal;
}

/**
 * Compresses each output into the spool and uploads it; what is spooled is in the record before it is sent, so that after
 * the agent's own death it goes on from there, with the same bytes. Resolves with what the result message says of them.
 */
export async function deliverOutputs(
  options: DeliverOptions,
  record: AttemptRecord,
  files: AttemptFiles,
): Promise<BuiltOutput[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const outputs = [...(record.outputs ?? [])];

  async function update(index: number, change: Partial<OutputRecord>): Promise<OutputRecord> {
    const output = { ...(outputs[index] as OutputRecord), ...change };
    outputs[index] = output;
    await files.save({ ...record, outputs: [...outputs] });
    return output;
  }

  async function deliver(index: number): Promise<BuiltOutput> {
    let output = outputs[index] as OutputRecord;
    if (output.nar === undefined || (await files.spooled(output.name, output.nar.narHash)) !== output.nar.fileSize) {
      const spooled = output;
      const nar = await options.limiter.run(signal, () => spool({ ...options, signal }, spooled, files));
      output = await update(index, { nar });
    }
    const nar = output.nar as NonNullable<OutputRecord['nar']>;
    if (output.uploaded === undefined) {
      const { fileSize, deriver, ...facts } = nar;
      const wish = {
        path: output.path,
        ...facts,
        compression: 'zstd' as const,
        fileSize,
        ...(deriver !== undefined && { deriver }),
        build: record.build,
        attempt: record.attempt,
      };
      const uploaded = await uploadOutput({ ...options, signal }, wish, files, output.name);
      // Where it is not kept, a restart is told the same when it begins the upload again.
      if (fileSize >= syncedSpoolBytes) output = await update(index, { uploaded });
      else output = { ...output, uploaded };
    }
    const { narHash, narSize, references } = nar;
    const upload = output.uploaded?.id;
    return {
      name: output.name,
      path: output.path,
      narHash,
      narSize,
      references,
      ...(upload !== undefined && { upload }),
    };
  }

  const tasks = outputs.map((_, index) => deliver(index));
  try {
    return await Promise.all(tasks);
  } catch (error) {
    // One that failed is enough: the others need not go on, and must not be running when this returns.
    stop.abort(error);
    await Promise.allSettled(tasks);
    throw error;
  }
}

/** The output's NAR in the spool; a daemon that restarts meanwhile does not cost the build. */
function spool(
  { builder, runtime, signal }: DeliverOptions,
  output: OutputRecord,
  files: AttemptFiles,
): Promise<NonNullable<OutputRecord['nar']>> {
  const path = `${builder.storeDir}/${output.path}`;
  const worth = (error: unknown) => isBuilderError(error) && error.code === 'unavailable';
  return retry({ runtime, signal, pause: { first: 500, most: 10_000 }, tries: 6, worth }, async () => {
    const info = await builder.pathInfo(path, signal);
    if (info === undefined) {
      throw new BuilderError('refused', `${path}: expected the built output in the store, got nothing`);
    }
    const fileSize = await files.spool(output.name, builder.dump(info, signal), signal);
    return {
      narHash: info.narHash,
      narSize: info.narSize,
      references: info.references.map(baseOf).sort(),
      fileSize,
      ...(info.deriver !== undefined && { deriver: baseOf(info.deriver) }),
    };
  });
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
