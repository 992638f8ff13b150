import type { ComponentChild } from 'preact';
import type { Place } from '../router.ts';
import type { Self } from '../session.ts';
import { BuildPage } from './build.tsx';
import { BuildsPage } from './builds.tsx';
import { Overview } from './overview.tsx';

export interface Page {
  readonly title: string;
  render(self: Self): ComponentChild;
}

/** The page of an address. */
export function pageAt({ path, query }: Place): Page {
  const [section = '', id] = path;
  const page = path.length > 2 ? undefined : id === undefined ? lists[section] : things[section];
  if (page === undefined) return nowhere;
  const { title, render } = page;
  return { title: id ?? title, render: (self) => render({ self, query, id: id ?? '' }) };
}

export interface PageProps {
  readonly self: Self;
  readonly query: URLSearchParams;
  /** Of the thing that the page is of. */
  readonly id: string;
}

interface Entry {
  readonly title: string;
  readonly render: (props: PageProps) => ComponentChild;
}

const lists: Readonly<Record<string, Entry>> = {
  '': { title: 'Overview', render: () => <Overview /> },
  builds: { title: 'Builds', render: (props) => <BuildsPage {...props} /> },
};

const things: Readonly<Record<string, Entry>> = {
  builds: { title: 'Build', render: (props) => <BuildPage key={props.id} {...props} /> },
};

const nowhere: Page = {
  title: 'No such page',
  render: () => (
    <>
      <h1>There is no such page</h1>
      <p>
        <a href="/">The overview</a> leads to all that there are.
      </p>
    </>
  ),
};
