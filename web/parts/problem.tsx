import { DroverProblem } from 'drover/client';

/** Why something could not be loaded or done, as the coordinator says it; with a way to try once more. */
export function Problem({ error, retry }: { readonly error: Error; readonly retry?: () => void }) {
  const code = error instanceof DroverProblem ? error.code : undefined;
  return (
    <p class="error" role="alert">
      {error.message} {code !== undefined && <code>{code}</code>}{' '}
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </p>
  );
}
