import { DroverProblem } from 'drover/client';

/** Why something could not be loaded or done, as the coordinator says it; with a way to try once more. */
export function Problem({ error, retry }: { readonly error: Error; readonly retry?: () => void }) {
  const code = error instanceof DroverProblem ? error.code : undefined;
  const wasNotThere = error instanceof DroverProblem && error.status === 404 && isOfMoment(error);
  return (
    <p class="error" role="alert">
      {error.message} {code !== undefined && <code>{code}</code>} {wasNotThere && 'That is as of this moment. '}
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </p>
  );
}

/** Whether the past was asked: of a page as of a moment, some is asked of the present. */
const isOfMoment = ({ problem }: DroverProblem): boolean => String(problem.instance).startsWith('/v1/moments/');
