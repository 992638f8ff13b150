import { DroverProblem } from 'drover/client';
import { useState } from 'preact/hooks';
import { logIn } from '../session/session.ts';
import { sessionRanOut } from '../session/session-end.ts';

const wordsFor = (refused: Error): string =>
  refused instanceof DroverProblem && refused.status === 401
    ? 'This is no token of this coordinator, or it was revoked.'
    : refused.message;

/** The page for whoever has no session. */
export function Login({ loggedIn }: { readonly loggedIn: () => void }) {
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget as HTMLFormElement).get('token')).trim();
    setBusy(true);
    setError(undefined);
    try {
      await logIn(token);
      loggedIn();
    } catch (refused) {
      setError(wordsFor(refused as Error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <main class="login" id="main">
      <h1>Drover</h1>
      <form onSubmit={(event) => void submit(event)}>
        {sessionRanOut() && (
          <p role="status">The session has ended, or its token was revoked. Log in to go on where you were.</p>
        )}
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          autofocus
          aria-describedby="token-help"
        />
        <p id="token-help">
          One of scope <code>read</code> sees everything and changes nothing:{' '}
          <code>drover tokens create NAME --scope read</code> makes one. The first of all is in <code>admin.token</code>{' '}
          of the coordinator's data folder.
        </p>
        <button type="submit" disabled={isBusy}>
          Log in
        </button>
        {error !== undefined && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
      </form>
    </main>
  );
}
