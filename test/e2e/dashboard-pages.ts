import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';
import { type Meanwhile, quarantinedAgent } from './dashboard-meanwhile.ts';

/** What looks at a page for what would keep somebody from it. */
type Look = (page: Page, what: string) => Promise<void>;

/** As odd as names may be: what every object of a script has, and as long as they can. */
const names = { agent: quarantinedAgent, hook: 'constructor', root: `${'hasOwnProperty.'.repeat(4)}long` } as const;
const token = '<img src=x onerror="document.body.id=3">\u202egnirts';

/**
 * Each page shows what is there, and does what its buttons say.
 *
 * @returns addresses of pages that have much on them, and of what is there no more
 */
export async function pagesDoWhatTheySay(page: Page, farm: Farm, meanwhile: Meanwhile, look: Look): Promise<string[]> {
  // As the browser's own buttons do it: the page is not loaded again.
  const to = (path: string): Promise<void> =>
    page.evaluate(
      `history.pushState(null, '', ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent('popstate'));`,
    );
  const press = (name: string | RegExp) => page.getByRole('button', { name, exact: true }).click();
  /** Asked for, and asked for again in the window that comes. */
  const confirm = async (name: string): Promise<void> => {
    await press(name);
    await page.getByRole('dialog').getByRole('button', { name, exact: true }).click();
  };
  const says = (text: string | RegExp) => page.locator('output', { hasText: text }).first().waitFor();
  const shows = (event: string) => page.locator('.events').getByRole('button', { name: event, exact: true }).first();

  const { submission } = await farm.submit(['odd']);
  const odd = await farm.buildOf('odd?a=1+b..c');
  await farm.next('BuildSucceeded', isBuild(odd));
  const { body: made } = await farm.request('GET', `/v1/builds/${odd}`);
  const { derivation } = made;
  const item: string = made.outputs.out;

  await submissions();
  await agents();
  await hooks();
  await roots();
  await items();
  await tokens();
  await eventsAndSearch();
  await upstreams();
  return [
    `/submissions/${submission}`,
    `/hooks/${names.hook}`,
    `/items/${encodeURIComponent(item)}`,
    `/roots/${names.root}`,
    '/tokens',
  ];

  async function submissions(): Promise<void> {
    await to(`/submissions/${submission}`);
    const graph = page.getByRole('application');
    await page.getByText('1 shown.').waitFor();
    await graph.focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('.marked').getByText('odd?a=1+b..c').waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/builds/${odd}`);

    await page.getByRole('link', { name: 'all builds of it' }).click();
    await page.getByText(`Only those of ${derivation}.`).waitFor();
    await page.getByRole('link', { name: 'All builds', exact: true }).click();
    await page.waitForURL((url) => url.pathname === '/builds' && url.search === '');

    const { submission: waits } = await farm.submit(['one']);
    const one = await farm.buildOf('one');
    await farm.gate('one').arrived();
    const { submission: joins } = await farm.submit(['one']);
    await to(`/submissions/${joins}`);
    await page.getByText('not all have ended').waitFor();
    await page.getByRole('link', { name: 'builds of others' }).click();
    await page.getByText(`Only those of others that submission ${joins} joined.`).waitFor();
    await page.locator('td', { hasText: 'one' }).first().waitFor();
    await to(`/builds?joinedBy=${submission}`);
    await page.getByText('There are none.').waitFor();
    await farm.request('POST', `/v1/submissions/${joins}/cancel`, {});
    await to(`/builds/${one}`);
    await press('Build next');
    await says('Its priority is 1000 now.');
    await farm.next('BuildPrioritized', (event) => isBuild(one)(event) && event.data.priority === 1000);
    await press('Back to priority 0');
    await says('Its priority is 0 now.');
    await to(`/submissions/${waits}`);
    await page.getByLabel(/^Priority/).fill('7');
    await press('Set the priority');
    await says('Its priority is 7 now. One build changed');
    await farm.next('BuildPrioritized', (event) => isBuild(one)(event) && event.data.priority === 7);
    await page.getByRole('button', { name: 'Back to priority 0' }).waitFor();
    await page.getByText('1 shown.').waitFor();
    await page.locator('.graph').getByText('building').waitFor();
    await look(page, 'a submission that is under way');
    await confirm('Cancel');
    await says('One build was cancelled.');
    await farm.next('BuildCanceled', isBuild(one));
    await page.locator('.graph').getByText('1 canceled').waitFor();
    await press('Build again what failed');
    await page.waitForURL((url) => /\/submissions\//.test(url.pathname) && !url.pathname.endsWith(waits));
    const again = new URL(page.url()).pathname.split('/').at(-1) as string;
    await farm.next('BuildSubmitted', (event) => event.data.submission === again);
    await confirm('Cancel');
    await says('One build was cancelled.');
    await to('/submissions');
    await page.locator(`a[href$="${again}"]`).waitFor();
    await page.locator(`a[href$="${meanwhile.submission}"]`).click();
    await page.getByText('stood still over <b>it</b>').first().waitFor();
    await confirm('Resume');
    await says('It is being queued.');
    await farm.next('SubmissionQueued', ({ stream }) => stream === `submission-${meanwhile.submission}`);
    await shows('SubmissionResumed').waitFor();
    await page.goBack();
    await look(page, 'submissions');
  }

  /** What an address asks for is in the list, and what it does not ask for is not. */
  async function narrows(without: string, having: string, name: string): Promise<void> {
    await to(without);
    await page.getByText('None of these.').waitFor();
    await to(having);
    await page.locator('td', { hasText: name }).first().waitFor();
  }

  async function agents(): Promise<void> {
    await to('/agents');
    await page.getByRole('link', { name: names.agent }).waitFor();
    await look(page, 'agents');
    await page.getByRole('link', { name: 'a', exact: true }).click();
    await page.getByLabel('Reason, for the record').fill('a disk <b>is</b> changed');
    await press('Pause');
    await says('It takes no more builds, and goes on with those that it has.');
    const paused = await farm.next('AgentPaused', ({ stream }) => stream === 'agent-a');
    assert.equal(paused.data.reason, 'a disk <b>is</b> changed');
    await shows('AgentPaused').waitFor();
    await press('Resume');
    await shows('AgentResumed').waitFor();
    await press('Drain');
    await shows('AgentDraining').waitFor();
    await press('Resume');
    await says('It takes builds again.');
    await look(page, 'an agent');
    await to(`/agents/${names.agent}`);
    await page.getByText('Nothing runs there.').waitFor();
    await press('Lift the quarantine');
    await says('It takes builds again.');
    await shows('AgentResumed').waitFor();
  }

  async function hooks(): Promise<void> {
    const wish = {
      name: names.hook,
      from: 'now',
      on: ['AgentPaused', 'AgentResumed'],
      // Nobody is there, ever.
      url: 'https://nobody.invalid/',
      retry: { maxAttempts: 1 },
    };
    const { status, body } = await farm.request('POST', '/v1/hooks', { body: wish });
    assert.equal(status, 201, JSON.stringify(body));
    await to('/hooks');
    await page.getByRole('link', { name: names.hook }).click();
    await page.getByRole('heading', { level: 1, name: names.hook }).waitFor();
    await page.getByLabel(/^After a position/).fill('2099-01-01');
    await confirm('Replay');
    await says(/^It goes on after \d{16}\.$/);
    await page.getByLabel(/^After a position/).fill('start');
    await confirm('Replay');
    await says('It goes on from start.');
    await shows('HookReplayed').waitFor();
    await page.getByRole('heading', { name: 'Parked' }).waitFor();
    await look(page, 'a hook with events that are parked');
    await page
      .getByRole('button', { name: /^Retry agent-/ })
      .first()
      .click();
    // It fails anew, and so its row is gone for a moment, with what the button said.
    await shows('HookRetried').waitFor();
    await confirm('Skip all that is parked');
    await says(/\d skipped\./);
    await press('Pause');
    await shows('HookPaused').waitFor();
    await press('Resume');
    await shows('HookResumed').waitFor();
    await narrows('/hooks?state=paused', '/hooks?name=&state=active', names.hook);
    await look(page, 'hooks');
  }

  async function roots(): Promise<void> {
    const { body: after } = await farm.request('GET', `/v1/builds/${await farm.buildOf('slow')}`);
    const other: string = after.outputs.out;
    await farm.request('POST', '/v1/roots', { body: { name: names.root, targets: [item, other] } });
    await narrows('/roots?source=a+rule', '/roots?source=by+hand', names.root);
    await look(page, 'roots');
    await page.getByRole('link', { name: names.root }).click();
    await page.locator('main').getByText('odd?a=1+b..c').first().waitFor();
    await look(page, 'a root');
    await page.getByRole('button', { name: `Let go of ${other}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Let go' }).click();
    await shows('RootRemoved').waitFor();
    await page.getByRole('link', { name: /^slow/ }).waitFor({ state: 'detached' });

    // As long as it is there, what it keeps is not deleted by the way.
    await page.getByRole('link', { name: /^odd/ }).click();
    await press('Delete…');
    await page.getByRole('dialog').getByText('It is needed:').waitFor();
    await press('Not now');
    await page.goBack();

    // What a rule keeps goes with the rule alone.
    const asked = `**/v1/roots/${names.root}`;
    await page.route(asked, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), source: 'config' } });
    });
    await page.reload();
    await page.getByText('a rule [[keep]] of the configuration').waitFor();
    assert.equal(await page.getByRole('button', { name: /^(Remove this root|Let go)/ }).count(), 0);
    // The page may ask again at any moment: who is answered then is waited for.
    await page.unrouteAll({ behavior: 'wait' });
    await page.reload();

    await confirm('Remove this root');
    await farm.next('RootRemoved', ({ stream }) => stream === `root-${names.root}`, 2);
    await says('Removed: it keeps nothing any more.');
  }

  async function items(): Promise<void> {
    await to('/items');
    await page.getByLabel('Name contains').fill('odd?a=1+');
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.searchParams.get('name') === 'odd?a=1+');
    await page.goBack();
    await page.waitForURL((url) => url.pathname === '/items' && url.search === '');
    assert.equal(await page.getByLabel('Name contains').inputValue(), '', 'the way back takes it back');
    await page.goForward();
    await page.waitForURL((url) => url.searchParams.get('name') === 'odd?a=1+');
    await page.getByRole('link', { name: /^odd/ }).waitFor();
    await look(page, 'items');
    await page.getByRole('link', { name: /^odd/ }).click();
    const keeps = page.locator('.panel', { hasText: /^It is kept/ });
    assert.match(
      (await keeps.textContent()) ?? '',
      /: it is new, until (\S+ )?\d\d:\d\d:\d\d\.$/,
      'as times are on pages',
    );
    await press('Delete…');
    await page.getByRole('dialog').getByText('Nobody needs it.').waitFor();
    await look(page, 'an item that is to be deleted');
    await page.getByRole('dialog').getByLabel('Reason, for the record').fill('a <test>');
    await press('Delete it');
    await says(/^Unpublished: nobody gets it any more/);
    const gone = await farm.next('StoreItemUnpublished', ({ stream }) => stream === `item-${item.slice(0, 32)}`);
    assert.equal(gone.data.reason, 'a <test>');
    await shows('StoreItemUnpublished').waitFor();
    await page.locator('dd .state', { hasText: 'unpublished' }).waitFor();
  }

  async function tokens(): Promise<void> {
    await to('/tokens');
    const filter = page.getByLabel('Name contains');
    await filter.fill('being typed');
    await farm.request('POST', '/v1/tokens', { body: { name: 'as-it-is-typed', scope: 'read' } });
    await page.getByRole('cell', { name: 'as-it-is-typed', exact: true }).waitFor();
    assert.equal(await filter.inputValue(), 'being typed', 'it stays as the list below it changes');
    await filter.fill('');
    await page.getByLabel('Name', { exact: true }).fill(token);
    await page.getByLabel('Scope').selectOption('submit');
    await press('Issue');
    const secret = (await page.locator('.secret').textContent()) as string;
    const may = async (): Promise<number> => (await farm.request('GET', '/v1/agents', { token: secret })).status;
    assert.equal(await may(), 200);
    await look(page, 'tokens, and the secret of one');
    await press('I have it');
    assert.equal(await page.getByText(secret).count(), 0);
    await page.getByRole('button', { name: /^Revoke .*onerror/ }).click();
    await page.getByRole('dialog').getByRole('button').first().click();
    await says('Revoked.');
    assert.equal(await may(), 401);
    await narrows('/tokens?scope=push', '/tokens?scope=submit&state=revoked', 'onerror');
    await to('/tokens');
    await page.locator('tr', { hasText: 'yours' }).getByRole('link', { name: 'what it did' }).click();
    await shows('TokenRevoked').waitFor();
    assert.equal(await page.locator('main img').count(), 0);
  }

  async function eventsAndSearch(): Promise<void> {
    await to('/events');
    await page.getByLabel('Type').selectOption('TokenIssued');
    await page.waitForURL(/type=TokenIssued/);
    await shows('TokenIssued').click();
    await page.locator('.json', { hasText: 'onerror' }).waitFor();
    await look(page, 'events');

    await to('/search?q=odd');
    await page.getByRole('heading', { name: 'Builds' }).waitFor();
    await look(page, 'what was found');
    await page.keyboard.press('Control+k');
    // As it is shown beside the name.
    await page.getByRole('combobox').fill(derivation.slice(0, 8));
    await page.getByRole('option', { name: derivation }).waitFor();
    await page.getByRole('option', { name: /^odd/ }).first().waitFor();
    await look(page, 'the palette');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/(builds|items)/);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill(names.agent);
    await page
      .getByRole('option', { name: new RegExp(names.agent) })
      .first()
      .waitFor();
    await page.getByRole('combobox').fill('differ');
    await page.getByRole('option', { name: 'Difference' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('combobox').waitFor({ state: 'detached' });
    assert.equal(await page.evaluate('document.body.id'), '', 'no name is markup');
  }

  async function upstreams(): Promise<void> {
    await to('/upstreams');
    await page.getByRole('link', { name: 'near' }).click();
    await page.waitForURL('**/upstreams/near');
    await page.getByLabel('Items to ask for').fill(item);
    await press('Check near');
    await says(/^It answers, in \d+ ms\. .*: absent/);
    await look(page, 'an upstream');
  }
}
