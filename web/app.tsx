import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { connection, onConnection } from './live/connection.ts';
import { pageAt } from './pages/all.tsx';
import { Login } from './pages/login.tsx';
import { Guard } from './parts/guard.tsx';
import { Problem } from './parts/problem.tsx';
import { usePageTitle } from './parts/title.ts';
import { AsOf, MomentBar, useMoment } from './past/as-of.tsx';
import type { Moment } from './past/moments.ts';
import type { Read } from './past/reading.ts';
import { goTo, type Place, usePlace } from './router.ts';
import { Palette } from './search/palette.tsx';
import { SearchBox } from './search/search-box.tsx';
import { logOut, type Self, useSelf } from './session/session.ts';

const links = [
  ['', 'Overview'],
  ['submissions', 'Submissions'],
  ['builds', 'Builds'],
  ['agents', 'Agents'],
  ['items', 'Items'],
  ['hooks', 'Hooks'],
  ['roots', 'Roots'],
  ['upstreams', 'Upstreams'],
  ['events', 'Events'],
  ['tokens', 'Tokens'],
] as const;

/** Ids of who has not logged in and may look all the same. */
const withoutSession: readonly string[] = ['public-reader', 'proxy-user'];

/** What is around every page; without a session the page to log in. */
export function App() {
  const [self, look, problem] = useSelf();
  const isAtLogin = usePlace().path[0] === 'login';
  if (self === undefined) return <Frame>{problem !== undefined && <Problem error={problem} />}</Frame>;
  const loggedIn = (): void => {
    if (isAtLogin) goTo('/', 'replace');
    look();
  };
  if (self === null || isAtLogin) return <Login loggedIn={loggedIn} />;
  return <Pages self={self} />;
}

function Pages({ self }: { readonly self: Self }) {
  const place = usePlace();
  const page = pageAt(place);
  const read = useMoment(place.moment);
  usePageTitle(page.title);
  const shown = <Guard of={place}>{() => page.render(self)}</Guard>;
  return (
    <Frame self={self} place={place} read={read}>
      {read === undefined ? (
        shown
      ) : (
        <AsOf key={place.moment} read={read}>
          {() => shown}
        </AsOf>
      )}
    </Frame>
  );
}

function Frame({
  self,
  place,
  read,
  children,
}: {
  readonly self?: Self;
  readonly place?: Place;
  /** Of the moment that is looked at; `undefined` for now. */
  readonly read?: Read<Moment> | undefined;
  readonly children?: ComponentChildren;
}) {
  const [isOpen, setOpen] = useState(false);
  // Two moments stay as they are: nothing is followed for them.
  const isDifference = place?.path[0] === 'difference';
  const pages = links.filter(([path]) => path !== 'tokens' || (self?.scope === 'admin' && read === undefined));
  return (
    <>
      <a class="skip" href="#main" data-plain>
        To the page
      </a>
      <header>
        <a class="home" href="/">
          Drover
        </a>
        <nav aria-label="Pages">
          {pages.map(([path, name]) => (
            <a
              key={path}
              href={`/${path}`}
              aria-current={(place?.path[0] ?? '') === path && place !== undefined ? 'page' : undefined}
            >
              {name}
            </a>
          ))}
        </nav>
        {self !== undefined && <SearchBox id="search" />}
        {self !== undefined && (
          <div class="self">
            {read === undefined && !isDifference && <Dot />}
            <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
              Time machine
            </button>
            <span
              title={`${withoutSession.includes(self.id) ? 'without a token, as one' : 'a token'} of scope ${self.scope}`}
            >
              {self.name}
            </span>
            {withoutSession.includes(self.id) ? (
              // Who comes without a token may have one that may more.
              <a href="/login">Log in</a>
            ) : (
              <button type="button" onClick={() => void logOut().catch(() => {})}>
                Log out
              </button>
            )}
          </div>
        )}
      </header>
      {place !== undefined && <MomentBar place={place} read={read} isOpen={isOpen} />}
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      {self !== undefined && <Palette pages={[...pages, ['difference', 'Difference']]} />}
    </>
  );
}

/** Whether what is seen is up to date. */
function Dot() {
  const [, draw] = useState(connection);
  useEffect(() => {
    const look = (): void => draw(connection());
    // It may have become another since it was drawn.
    look();
    return onConnection(look);
  }, []);
  const state = connection();
  const words = { connecting: 'connecting', live: 'live', lost: 'connection lost: trying again', still: '' }[state];
  return (
    <output class={`connection ${state}`} aria-live="polite">
      <span>{words}</span>
    </output>
  );
}
