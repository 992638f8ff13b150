import { DroverProblem } from 'drover/client';
import { useEffect, useState } from 'preact/hooks';
import { present } from '../live/connection.ts';
import { moment } from '../router.ts';
import { endSession, onSessionEnd, sessionIs } from './session-end.ts';

/** Whoever looks: the name of the token and what it may. */
export interface Self {
  /** Of the token; whoever has none is `public-reader`, or `proxy-user`. */
  readonly id: string;
  readonly name: string;
  readonly scope: 'read' | 'submit' | 'push' | 'agent' | 'admin';
}

/** What was found before there was a page. */
let found: Self | null | undefined;

/** Finds out who looks, so that the page need not be drawn before that is known. */
export async function findSelf(): Promise<void> {
  found = await askSelf().catch(() => undefined);
}

/** `null` where nobody is logged in. */
async function askSelf(): Promise<Self | null> {
  try {
    const { id, name, scope } = await present.getOwnToken();
    sessionIs('good');
    return { id, name, scope };
  } catch (error) {
    if (error instanceof DroverProblem && error.status === 401) return null;
    throw error;
  }
}

/** `undefined` until that is known, `null` where nobody is logged in; how to look again; and why it is not known yet. */
export function useSelf(): readonly [Self | null | undefined, () => void, Error | undefined] {
  const [self, setSelf] = useState(found);
  const [problem, setProblem] = useState<Error>();
  const look = (): void => {
    askSelf().then(setSelf, (error: Error) => {
      setProblem(error);
      setTimeout(look, 1000);
    });
  };
  useEffect(() => {
    if (self === undefined) look();
    // Where everybody may read, there is still somebody.
    return onSessionEnd(look);
  }, []);
  return [self, look, problem];
}

/** Logs in, and sees that the browser has taken and sends what it was given. */
export async function logIn(token: string): Promise<void> {
  await present.request('POST', '/v1/session', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  try {
    await present.getOwnToken();
    sessionIs('good');
  } catch (error) {
    if (!(error instanceof DroverProblem) || error.status !== 401) throw error;
    throw new Error(
      'The token is good, but the browser does not keep the session, or sends another cookie drover_session beside it, as one of another host or program may set: allow cookies here, remove those of this host, and log in again.',
    );
  }
}

export async function logOut(): Promise<void> {
  sessionIs('left');
  await present.request('DELETE', '/v1/session');
  endSession();
}

/** Whether that scope may do what needs this one. Nothing can be done in the past. */
export const mayAct = ({ scope }: Self, needed: 'submit' | 'admin'): boolean =>
  moment() === undefined && (scope === 'admin' || (needed === 'submit' && scope === 'submit'));
