import * as z from 'zod';
import { DroverError } from '../../coordinator/errors.ts';
import { baseName } from '../../domain/event.ts';
import { derivationLineBytes } from '../../domain/limits.ts';
import { found, valueAt } from '../../domain/schema-issues.ts';
import { type LineLimits, splitLines } from './lines.ts';

/** One line of a body of derivations. */
export const derivationLine = z.strictObject({
  path: baseName.refine((path) => path.endsWith('.drv'), 'expected a base name that ends in .drv'),
  text: z.string().describe('base 64 of the bytes of the .drv file'),
});

export interface DerivationText {
  readonly path: string;
  readonly text: Uint8Array;
}

export interface DerivationBodyLimits extends Pick<LineLimits, 'total'> {
  /** Largest text of a derivation, in bytes. */
  readonly derivation: number;
  /** A batch is full at so many derivations … */
  readonly batch: number;
  /** … or once it has so many bytes of text. */
  readonly batchBytes: number;
}

/**
 * Hands derivations on in batches while they come in: the next batch is read once `add` has resolved, so that memory is
 * bounded by the limits, whatever the size of the body. A refusal names the line it is about.
 */
export async function addDerivationLines(
  source: AsyncIterable<Uint8Array>,
  limits: DerivationBodyLimits,
  add: (batch: readonly DerivationText[]) => Promise<{ readonly added: number }>,
): Promise<{ readonly received: number; readonly added: number }> {
  let received = 0;
  let added = 0;
  let batch: DerivationText[] = [];
  let bytes = 0;
  const flush = async () => {
    if (batch.length === 0) return;
    const full = batch;
    batch = [];
    bytes = 0;
    added += (await add(full)).added;
  };
  const tooLong = (line: number, beginning: string) => refuseText(line, beginning, limits.derivation);
  for await (const line of splitLines(source, {
    line: derivationLineBytes(limits.derivation),
    total: limits.total,
    tooLong,
  })) {
    received++;
    const derivation = parse(line, received);
    batch.push(derivation);
    bytes += derivation.text.length;
    if (batch.length >= limits.batch || bytes >= limits.batchBytes) await flush();
  }
  await flush();
  return { received, added };
}

function parse(line: Buffer, number: number): DerivationText {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    throw refused(number, '', 'a JSON object', 'other bytes');
  }
  const parsed = derivationLine.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(
      number,
      issue?.path.join('.') ?? '',
      '{"path": "<hash>-<name>.drv", "text": "<base 64>"}',
      found(valueAt(value, issue?.path.map(String) ?? [])),
    );
  }
  const { path, text } = parsed.data;
  const bytes = Buffer.from(text, 'base64');
  // The decoder skips what it does not know; then there are fewer bytes than the characters stand for.
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  if (text.length % 4 !== 0 || bytes.length !== (text.length / 4) * 3 - padding) {
    throw refused(number, 'text', 'base 64 with padding', 'other characters');
  }
  return { path, text: bytes };
}

/** The path stands before the text in all that we write, and the refusal has to name it. */
function refuseText(line: number, beginning: string, most: number): DroverError {
  const path = /^\s*\{\s*"path"\s*:\s*"([0-9a-zA-Z+\-._?=]{1,250})"/.exec(beginning)?.[1];
  const what = path === undefined ? `line ${line}` : `line ${line}: ${path}`;
  const expected = `expected a derivation of at most ${most} bytes (setting limits.max-derivation-bytes)`;
  return new DroverError('body-too-large', `${what}: ${expected}, got a larger one`, {
    line,
    ...(path !== undefined && { path }),
  });
}

function refused(line: number, name: string, expected: string, got: string): DroverError {
  const field = [`line ${line}`, name].filter((part) => part !== '').join('.');
  return new DroverError('invalid-request', `${field}: expected ${expected}, got ${got}`, {
    line,
    errors: [{ field, expected, got }],
  });
}
