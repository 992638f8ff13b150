import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { connection, onConnection } from './live.ts';
import { pageAt } from './pages/all.tsx';
import { Login } from './pages/login.tsx';
import { Guard } from './parts/guard.tsx';
import { goTo, usePlace } from './router.ts';
import { Palette } from './search/palette.tsx';
import { SearchBox } from './search/search-box.tsx';
import { logOut, type Self, useSelf } from './session.ts';
import { visible } from './visible.ts';

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
  const [self, look] = useSelf();
  const isAtLogin = usePlace().path[0] === 'login';
  if (self === undefined) return <Frame />;
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
  useEffect(() => {
    document.title = visible(`${page.title} · Drover`);
  }, [page.title]);
  return (
    <Frame self={self} section={place.path[0] ?? ''}>
      <Guard of={place}>{() => page.render(self)}</Guard>
    </Frame>
  );
}

function Frame({
  self,
  section,
  children,
}: {
  readonly self?: Self;
  readonly section?: string;
  readonly children?: ComponentChildren;
}) {
  const pages = links.filter(([path]) => path !== 'tokens' || self?.scope === 'admin');
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
            <a key={path} href={`/${path}`} aria-current={section === path ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        {self !== undefined && <SearchBox id="search" />}
        {self !== undefined && (
          <div class="self">
            <Dot />
            <span title={`a token of scope ${self.scope}`}>{self.name}</span>
            {self.id === 'public-reader' && <a href="/login">Log in</a>}
            {!withoutSession.includes(self.id) && (
              <button type="button" onClick={() => void logOut().catch(() => {})}>
                Log out
              </button>
            )}
          </div>
        )}
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      {self !== undefined && <Palette pages={pages} />}
    </>
  );
}

/** Whether what is seen is up to date. */
function Dot() {
  const [, drawAgain] = useState(0);
  useEffect(() => onConnection(() => drawAgain((times) => times + 1)), []);
  const state = connection();
  const words = { connecting: 'connecting', live: 'live', lost: 'connection lost: trying again', still: '' }[state];
  return (
    <output class={`connection ${state}`} aria-live="polite">
      {words}
    </output>
  );
}
