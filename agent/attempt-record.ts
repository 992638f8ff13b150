import * as z from 'zod';
import { agentMessage, builtOutput } from '../domain/agent/messages.ts';
import { attemptPhases } from '../domain/build/attempt-phases.ts';
import { baseName, count, identifier, sha256Text } from '../domain/event.ts';

/**
 * What the agent keeps on disk of one attempt: enough to go on where it was after its own death.
 *
 * `preparing` and `building` die with the agent. From `uploading` on the outputs are built and the work is not lost.
 */
export const attemptRecord = z.object({
  build: identifier,
  attempt: z.int().min(1),
  derivation: baseName,
  phase: z.enum(['preparing', 'building', 'uploading', 'ended']),
  /** From `uploading` on. */
  durationMs: count.optional(),
  /** From `uploading` on: up to then. */
  phases: attemptPhases.optional(),
  /** From `uploading` on. */
  outputs: z
    .array(
      z.object({
        name: builtOutput.shape.name,
        path: baseName,
        /** From when it was compressed into the spool. */
        nar: z
          .object({
            narHash: sha256Text,
            narSize: z.int().min(1),
            references: z.array(baseName),
            deriver: baseName.optional(),
            fileSize: z.int().min(1),
          })
          .optional(),
        /** The finished upload, or that the coordinator had the item already. */
        uploaded: z.object({ id: identifier.optional() }).optional(),
      }),
    )
    .optional(),
  /** Once `ended`: what the coordinator has not acknowledged yet. */
  result: agentMessage.optional(),
});
export type AttemptRecord = z.infer<typeof attemptRecord>;
export type OutputRecord = NonNullable<AttemptRecord['outputs']>[number];

/** Names an attempt in maps and logs. */
export function attemptName(attempt: { readonly build: string; readonly attempt: number }): string {
  return `${attempt.build}@${attempt.attempt}`;
}
