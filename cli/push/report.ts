import type { Printed } from '../output/print.ts';
import { plural, printable } from '../output/text.ts';
import type { Refusal, SendResult } from './send-items.ts';

/** What came of sending items, for people and for programs; the names are those that were sent. */
export function sendReport({ sent, refused }: SendResult, present: number): Printed {
  const parts = [`${plural(sent.length, 'item')} sent`, `${present} there already`];
  if (refused.length > 0) parts.push(`${refused.length} refused`);
  return { value: { sent, present, refused }, text: () => `${parts.join(', ')}\n`, names: sent };
}

/** One line of a refusal. */
export function refusalLine({ item, code, message }: Refusal): string {
  return printable(`${message.includes(item) ? message : `${item}: ${message}`} (${code})`);
}
