/** What went wrong, as far as it has a place in one line. */

/**
 * The first line of a message, without what leads on to lines that are left out; of one of Nix 2.30 and later the reason, as the line
 * before it says but what could not be built.
 */
export function inOneLine(message: string): string {
  const text = message.trim().replace(/Cannot build '[^\n]*'\.\s*\n\s*Reason: /, '');
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end).replace(/[\s;:,.]+$/, '');
}

/** Whether more was said than has a place in one line. */
export const hasMoreLines = (message: string): boolean => message.trim().includes('\n');

/** `builder-failed: builder for … failed with exit code 2`, or the class alone where nothing was said. */
export const failureText = (kind: string, message: string): string => (message === '' ? kind : `${kind}: ${message}`);
