import type { UploadRefusal } from '../../../coordinator/ports/pool.ts';
import { maxOutputs, referenceBytes, scanBytes } from '../../../domain/limits.ts';
import type { UploadRecord } from './upload-record.ts';

/** What the uploads of one owner that are not published may have. */
export interface OwnerLimits {
  /** How many there may be. */
  readonly count: number;
  /** Bytes of their files, as they are declared. */
  readonly fileBytes: number;
  /** Bytes that their declarations hold in memory. */
  readonly declarationBytes: number;
}

type Begun = Pick<UploadRecord, 'declaration' | 'scan' | 'attempt'>;

/**
 * Why the owner of `held` may not begin `wish` beside it. An attempt needs the uploads of all its outputs at the same time; so that two
 * of an agent's never wait for each other, the one whose uploads were begun first is not held up by the others. What would not fit even
 * alone is refused for good: waiting would not help.
 */
export function excessOf(held: readonly UploadRecord[], wish: Begun, limits: OwnerLimits): UploadRefusal | undefined {
  const attempt = wish.attempt;
  const own = attempt === undefined ? [] : held.filter((one) => one.attempt === attempt);
  const alone = lackOf(own, wish, { ...limits, count: maxOutputs });
  if (alone !== undefined) return { code: alone.what === 'count' ? 'too-many-uploads' : 'too-large', ...alone };
  if (attempt !== undefined && (firstAttempt(held) ?? attempt) === attempt) return undefined;
  const beside = lackOf(held, wish, limits);
  return beside && { code: 'too-many-uploads', ...beside };
}

/** The attempt whose uploads were begun first. */
function firstAttempt(held: readonly UploadRecord[]): string | undefined {
  let first: UploadRecord | undefined;
  for (const record of held) {
    if (record.attempt !== undefined && record.startedAt < (first?.startedAt ?? Number.POSITIVE_INFINITY))
      first = record;
  }
  return first?.attempt;
}

function lackOf(
  held: readonly UploadRecord[],
  wish: Begun,
  { count, fileBytes, declarationBytes }: OwnerLimits,
): { readonly what: 'count' | 'bytes'; readonly message: string } | undefined {
  const whose = 'of one token that wait to be used';
  if (held.length >= count) {
    const message = `expected at most ${count} uploads ${whose} (setting limits.token-uploads), got another`;
    return { what: 'count', message };
  }
  const all = [...held, wish];
  const files = all.reduce((sum, { declaration }) => sum + declaration.fileSize, 0);
  if (files > fileBytes) {
    const message = `expected uploads ${whose} of at most ${fileBytes} bytes (setting limits.token-upload-bytes), got ${files} with this one`;
    return { what: 'bytes', message };
  }
  const declared = declaredBytes(all);
  if (held.length > 0 && declared > declarationBytes) {
    const message = `expected uploads ${whose} to name at most ${declarationBytes} bytes of references and inputs, got ${declared} with this one`;
    return { what: 'bytes', message };
  }
  return undefined;
}

/** What these hold in memory. What is looked for is the same list for all outputs of an attempt, and held once. */
export function declaredBytes(uploads: Iterable<Begun>): number {
  let sum = 0;
  const scans = new Set<readonly string[]>();
  for (const { declaration, scan } of uploads) {
    sum += referenceBytes(declaration.references);
    if (scan !== undefined && !scans.has(scan)) sum += scanBytes(scan);
    if (scan !== undefined) scans.add(scan);
  }
  return sum;
}

/** `scan`, or the same list as one of `held` has it. */
export function sharedScan(scan: readonly string[], held: Iterable<UploadRecord>): readonly string[] {
  for (const { scan: known } of held) {
    if (known?.length === scan.length && known.every((part, index) => part === scan[index])) return known;
  }
  return scan;
}
