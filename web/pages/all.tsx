import type { ComponentChild } from 'preact';
import type { Place } from '../router.ts';
import type { Self } from '../session/session.ts';
import { AgentPage } from './agent.tsx';
import { AgentsPage } from './agents.tsx';
import { BuildPage } from './build.tsx';
import { BuildsPage } from './builds.tsx';
import { DifferencePage } from './difference.tsx';
import { EventsPage } from './events.tsx';
import { HookPage } from './hook.tsx';
import { HooksPage } from './hooks.tsx';
import { ItemPage } from './item.tsx';
import { ItemsPage } from './items.tsx';
import { Overview } from './overview.tsx';
import { RootPage } from './root.tsx';
import { RootsPage } from './roots.tsx';
import { SearchPage } from './search.tsx';
import { SubmissionPage } from './submission.tsx';
import { SubmissionsPage } from './submissions.tsx';
import { TokensPage } from './tokens.tsx';
import { UpstreamPage, UpstreamsPage } from './upstreams.tsx';

export interface Page {
  readonly title: string;
  render(self: Self): ComponentChild;
}

/** The page of an address. */
export function pageAt({ path, query }: Place): Page {
  const [section = '', id] = path;
  const pages = id === undefined ? lists : things;
  const page = path.length <= 2 && Object.hasOwn(pages, section) ? pages[section] : undefined;
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
  submissions: { title: 'Submissions', render: (props) => <SubmissionsPage {...props} /> },
  agents: { title: 'Agents', render: (props) => <AgentsPage {...props} /> },
  builds: { title: 'Builds', render: (props) => <BuildsPage {...props} /> },
  difference: { title: 'Difference', render: (props) => <DifferencePage {...props} /> },
  events: { title: 'Events', render: (props) => <EventsPage {...props} /> },
  hooks: { title: 'Hooks', render: (props) => <HooksPage {...props} /> },
  items: { title: 'Items', render: (props) => <ItemsPage {...props} /> },
  roots: { title: 'Roots', render: (props) => <RootsPage {...props} /> },
  search: { title: 'Search', render: (props) => <SearchPage {...props} /> },
  tokens: { title: 'Tokens', render: (props) => <TokensPage {...props} /> },
  upstreams: { title: 'Upstreams', render: (props) => <UpstreamsPage {...props} /> },
};

const things: Readonly<Record<string, Entry>> = {
  submissions: { title: 'Submission', render: (props) => <SubmissionPage key={props.id} {...props} /> },
  agents: { title: 'Agent', render: (props) => <AgentPage key={props.id} {...props} /> },
  builds: { title: 'Build', render: (props) => <BuildPage key={props.id} {...props} /> },
  hooks: { title: 'Hook', render: (props) => <HookPage key={props.id} {...props} /> },
  items: { title: 'Item', render: (props) => <ItemPage key={props.id} {...props} /> },
  roots: { title: 'Root', render: (props) => <RootPage key={props.id} {...props} /> },
  upstreams: { title: 'Upstream', render: (props) => <UpstreamPage key={props.id} {...props} /> },
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
