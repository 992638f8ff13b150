import { failureText, hasMoreLines, inOneLine } from '../words/failures.ts';

interface Failed {
  readonly failure: { readonly class: string; readonly message: string };
}

/** What went wrong, in one line; what was said besides, as the last lines of a log, is there for who wants it. */
export function Failure({ failure: { class: kind, message } }: Failed) {
  const line = failureText(kind, inOneLine(message));
  if (!hasMoreLines(message)) return <div class="quiet">{line}</div>;
  return (
    <details class="quiet">
      <summary>{line}</summary>
      <div class="said">{message.trim()}</div>
    </details>
  );
}

/** All that was said, in its lines. */
export function WholeFailure({ failure: { class: kind, message } }: Failed) {
  return <div class="said">{failureText(kind, message.trim())}</div>;
}
