import { useState } from 'preact/hooks';
import { logIn } from '../session/session.ts';

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
      setError((refused as Error).message);
    } finally {
      setBusy(false);
    }
  }

  return (
    <main class="login" id="main">
      <h1>Drover</h1>
      <form onSubmit={(event) => void submit(event)}>
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
          <code>drover tokens create NAME --scope read</code> makes one.
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
