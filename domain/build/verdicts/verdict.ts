import type { FailureClass } from '../failure-class.ts';
import { daemonsWords, messageForPeople, withoutTraces } from './daemon-text.ts';
import { nixRefusals } from './nix-refusals.ts';
import { nixStatuses } from './nix-statuses.ts';
import { createFinder, type Refusal } from './refusal.ts';

/** Whose failure it is, and what people are told. */
export interface Verdict {
  readonly class: FailureClass;
  /** Every line of the daemon's message, a hint below it where the table has one. */
  readonly message: string;
  /** The store of the machine is damaged as a whole. */
  readonly storeDamaged?: true;
  /** The builder was killed, for no fault of its own as far as anybody can say. */
  readonly killed?: true;
}

const match = createFinder(Object.values(nixRefusals).flat());
const statuses = new Map(nixStatuses.map((status) => [status.code, status]));

/** What a daemon's text means that came without a status: an error of an operation. `unknown` where nobody knows it. */
export function verdictOnText(text: string): Verdict {
  const row = find(text);
  return { class: row?.means ?? 'unknown', message: told(text, row), ...(row?.storeDamaged && { storeDamaged: true }) };
}

/** What the last words of a daemon mean that died at a build; `undefined` where nobody knows them. */
export function verdictOnLastWords(text: string): Verdict | undefined {
  const row = find(text);
  return row && { class: row.means, message: told(text, row) };
}

/** What a BuildResult means; `built` where all outputs are valid. A status that is not known is judged by its text. */
export function verdictOnResult(code: number, text: string): Verdict | 'built' {
  const status = statuses.get(code);
  if (status?.means === 'built') return 'built';
  const row = status?.refined === false ? undefined : find(text);
  const message = told(text, row) || `the daemon answered status ${code}${status ? ` (${status.name})` : ''}`;
  return {
    class: row?.means ?? status?.means ?? 'unknown',
    message,
    ...(row?.storeDamaged && { storeDamaged: true }),
    ...(row?.killed && { killed: true }),
  };
}

function find(text: string): Refusal | undefined {
  const words = daemonsWords(text);
  return match(words) ?? match(withoutTraces(words));
}

function told(text: string, row: Refusal | undefined): string {
  const message = messageForPeople(text);
  return row?.hint === undefined ? message : `${message}\n(${row.hint})`;
}
