import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { chromium, openBrowser } from '../client/browser.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';
import { happenMeanwhile, type Meanwhile } from './dashboard-meanwhile.ts';
import { pagesDoWhatTheySay } from './dashboard-pages.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What is written in the page for the tests' own code in it. */
interface Marked {
  readonly axe: {
    run(options: object): Promise<{ violations: readonly { id: string; nodes: readonly { html: string }[] }[] }>;
  };
  mark?: number;
  innerHeight: number;
}
declare const window: Marked;
declare const document: {
  title: string;
  documentElement: { scrollWidth: number };
  dispatchEvent(event: Event): void;
  querySelectorAll(what: string): { length: number };
  querySelector(what: string): { getBoundingClientRect(): Record<'top' | 'bottom' | 'left' | 'right', number> } | null;
};

e2e(
  'the dashboard in a real browser: whoever logs in sees what happens as it does, over a restart, and nothing that a build prints is markup',
  {},
  async (farm, context) => {
    if (chromium === undefined) return context.skip('no Chromium: npm run setup -- --browser');
    await using browser = await openBrowser({ viewport: { width: 1280, height: 900 } });
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text());
    });

    await logIn(page, farm);
    await page.evaluate(() => {
      window.mark = 1;
    });
    await hearsOfABuild(page, farm);
    const tabs = await isOneOfMany(page, farm);
    await using meanwhile = await outlivesARestart(page, farm);
    await comesToBeSeen(tabs);
    assert.equal(await page.evaluate(() => window.mark), 1, 'the page was never loaded again');
    await outlivesAnOddAnswer(page, farm);
    await saysWhyNothingIsThere(page, farm);
    const paths = await pagesDoWhatTheySay(page, farm, meanwhile, findsNothing);
    await showsTheEndOfALongLog(page, farm);
    await isForEverybody(page, farm, paths);
    await logOut(page, farm);
    assert.deepEqual(faults, []);
  },
);

async function logIn(page: Page, { url, adminToken }: Farm): Promise<void> {
  await page.goto(url);
  const log = async (token: string): Promise<void> => {
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Log in' }).click();
  };
  await log('drover_0_wrong');
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByText('The session has ended').count(), 0, 'there was none yet');
  await findsNothing(page, 'the page to log in');
  // Whatever runs on another port of this host can set it, and the session comes beside it.
  await page.context().addCookies([{ name: 'drover_session', value: 'x', domain: new URL(url).hostname, path: '/v1' }]);
  await log(adminToken);
  await page.getByText('another cookie drover_session').waitFor();
  await page.context().clearCookies();
  await log(adminToken);
  await page.getByText('live', { exact: true }).waitFor();
  const [cookie] = await page.context().cookies();
  assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, cookie?.path], [true, 'Strict', '/']);
  assert.ok(!cookie?.value.includes(adminToken), 'whoever has the cookie has no token');
}

async function hearsOfABuild(page: Page, farm: Farm): Promise<void> {
  await farm.agent('a', { slots: 2 });
  await farm.submit(['hostile', 'after']);
  await page
    .getByRole('cell', { name: /hostile/ })
    .first()
    .waitFor();
  await farm.gate('hostile').arrived();
  await findsNothing(page, 'the overview');
  await page
    .getByRole('link', { name: /^hostile/ })
    .first()
    .click();
  await page.getByText('hostile waits').waitFor();
  await isPointedAt(page);
  assert.match(await page.title(), /^hostile, build .* · Drover$/, 'the window is called by more than an id');
  farm.gate('hostile').open();
  await farm.next('BuildSucceeded', isBuild(await farm.buildOf('hostile')));
  await page.getByText('<img src=x onerror="document.title=1"><script>document.title=2</script>').waitFor();
  await page.getByText('the last of it').waitFor();
  assert.equal(
    await page.evaluate(() => document.querySelectorAll('.log img, .log script, .log a[href^="javascript"]').length),
    0,
  );
  assert.equal(await page.locator('.log .f1').first().textContent(), 'red');
  assert.equal(await page.getByText('seen by nobody').count(), 0);
  await page.locator('dd .state', { hasText: 'succeeded' }).waitFor();
  await findsNothing(page, 'a build that has ended');
  await isFoundFarToTheRight(page);
  await isSeenFromItsAddress(page, '?line=2');
  await looksBack(page);

  // One that waits says for what, and leads to it.
  await page.getByRole('link', { name: 'Builds', exact: true }).click();
  await page
    .getByRole('link', { name: /^after/ })
    .first()
    .click();
  await page.getByRole('heading', { name: 'Why' }).waitFor();
  await page.locator('.tree').getByRole('link', { name: /slow/ }).waitFor();
  const inputs = page.getByRole('region', { name: 'Inputs' });
  await inputs.getByRole('link', { name: /^slow/ }).waitFor();
  await inputs.getByText(/-slow, not there$/).waitFor();
  await findsNothing(page, 'a build that waits');
}

/** Who points at a line of a log that goes on wants to see that, and to go on from there with the keyboard. */
async function isPointedAt(page: Page): Promise<void> {
  const { pathname } = new URL(page.url());
  const follow = page.getByLabel('Follow');
  assert.ok(await follow.isChecked());
  await page.getByRole('link', { name: 'Line 1', exact: true }).click();
  await page.waitForURL((url) => url.searchParams.get('line') === '1');
  await page.locator('.log .target', { hasText: 'hostile waits' }).waitFor();
  assert.equal(await page.evaluate('document.activeElement.ariaLabel'), 'Line 1');
  assert.equal(await follow.isChecked(), false);
  await page.goBack();
  await page.waitForURL((url) => url.pathname === pathname && url.search === '');
}

/** What is looked for may be beside what the window shows of its line. */
async function isFoundFarToTheRight(page: Page): Promise<void> {
  const field = page.getByLabel('Find in the log');
  const found = (): Promise<unknown> =>
    page.waitForFunction(() => {
      const mark = document.querySelector('.log .target mark')?.getBoundingClientRect();
      const log = document.querySelector('.log')?.getBoundingClientRect();
      return mark !== undefined && log !== undefined && mark.left >= log.left && mark.right <= log.right;
    });
  for (const text of ['far to the right', 'hostile waits']) {
    await field.fill(text);
    await page.getByRole('button', { name: 'Next', exact: true }).click();
    await page.locator('.log .target', { hasText: text }).waitFor();
    await found();
  }
  await field.fill('');
}

/** A line of a log that is in the address, below what a low window has room for at first. */
async function isSeenFromItsAddress(page: Page, line: string): Promise<void> {
  const size = page.viewportSize();
  const path = new URL(page.url()).pathname;
  await page.setViewportSize({ width: 1280, height: 300 });
  await show(page, `${path}${line}`);
  await page.waitForFunction(() => {
    const seen = document.querySelector('.log .target')?.getBoundingClientRect();
    return seen !== undefined && seen.top >= 0 && seen.bottom <= window.innerHeight;
  });
  if (size !== null) await page.setViewportSize(size);
  await show(page, path);
}

/** From a build that has ended to when it began, to what has become since of what there was, and back. */
async function looksBack(page: Page): Promise<void> {
  const state = (name: string) => page.locator('dd .state', { hasText: name }).waitFor();
  const begun = page.locator('.timeline li', { hasText: 'starts the builder' });
  await begun.getByRole('link', { name: 'as of then' }).click();
  await state('running');
  await page.getByText(/^as of .*, \d{16}$/).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Cancel' }).count(), 0, 'nothing acts in the past');
  const builds = page.getByRole('link', { name: 'Builds', exact: true });
  assert.match((await builds.getAttribute('href')) ?? '', /^\/at\/\d{16}\/builds$/, 'links keep the moment');
  await page.getByRole('button', { name: 'Time machine' }).click();
  await page.getByLabel('Place in the log').focus();
  await findsNothing(page, 'a build as of when it began');
  await page.getByRole('link', { name: 'Compare with now' }).click();
  await page.getByRole('row', { name: /hostile .*running → succeeded/ }).waitFor();
  await page.getByRole('cell', { name: 'items in the pool' }).waitFor();
  await findsNothing(page, 'a difference');
  await page.goBack();
  await state('running');
  await page.getByRole('button', { name: 'Time machine' }).click();
  await page.getByRole('link', { name: 'Back to now' }).click();
  await state('succeeded');
  await page.getByText('live', { exact: true }).waitFor();
  // The build was not there yet: what it came with was.
  const received = page.locator('.timeline li', { hasText: 'was received' });
  await received.getByRole('link', { name: 'as of then' }).click();
  await page.waitForURL(/\/at\/\d{16}\/submissions\//);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.goBack();
  await state('succeeded');
  const path = new URL(page.url()).pathname;
  await show(page, '/difference?from=yesterday&to=0000000000000001');
  await page
    .getByText('expected a time (20:00, 2026-11-25 20:00, 2h), a position or the id of an event, got yesterday')
    .waitFor();
  assert.equal(new URL(page.url()).searchParams.get('from'), 'yesterday', 'what is written stays where it was');
  for (const nowhere of ['/at/9999999999999999/builds', '/difference?from=9999999999999999']) {
    await show(page, nowhere);
    await page.getByRole('alert').filter({ hasText: 'where the log ends, got 9999999999999999' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Try again' }).count(), 0, 'it would be of no use');
  }
  await show(page, path);
}

/** Over plain HTTP a browser makes six connections to a host, for all of its tabs: those that nobody sees hold none. */
async function isOneOfMany(page: Page, farm: Farm): Promise<readonly Page[]> {
  const path = `${farm.url}/builds/${await farm.buildOf('slow')}`;
  const tabs: Page[] = [];
  while (tabs.length < 3) {
    const tab = await page.context().newPage();
    tabs.push(tab);
    await tab.goto(path);
    await tab.getByText('live', { exact: true }).waitFor();
    await tab.getByRole('log').waitFor();
    await setHidden(tab, true);
  }
  return tabs;
}

async function comesToBeSeen(tabs: readonly Page[]): Promise<void> {
  const [first, ...others] = tabs;
  for (const tab of others) await tab.close();
  await setHidden(first as Page, false);
  await first?.locator('dd .state', { hasText: 'succeeded' }).waitFor();
  await first?.close();
}

/** Chromium without a screen takes all its tabs for seen. */
const setHidden = (tab: Page, hidden: boolean): Promise<void> =>
  tab.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

async function outlivesARestart(page: Page, farm: Farm): Promise<Meanwhile> {
  const overview = await page.context().newPage();
  const asked: string[] = [];
  overview.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await overview.goto(farm.url);
  await overview.getByRole('cell', { name: /slow/ }).waitFor();
  await overview.getByText('All is well.').waitFor();
  const position = await farm.position();
  const then = ['/difference?from=start', `/at/${position}/items`, `/at/${position}/events?type=BuildSucceeded`];
  const tabs = await Promise.all(then.map(() => page.context().newPage()));
  for (const tab of tabs) {
    await tab.goto(`${farm.url}/at/${position}/builds`);
    await tab.getByRole('link', { name: /^slow/ }).first().waitFor();
  }
  await farm.kill9();
  for (const [index, tab] of tabs.entries()) {
    await show(tab, then[index] as string);
    await tab.getByText('does not answer').first().waitFor();
  }
  for (const each of [page, overview]) await each.getByText(/connection lost/).waitFor();
  await overview.getByText('All is well.').waitFor({ state: 'detached' });
  const meanwhile = await happenMeanwhile(farm);
  await farm.start(['--config', meanwhile.config]);
  for (const each of [page, overview]) await each.getByText('live', { exact: true }).waitFor();
  for (const tab of tabs) {
    await tab.getByRole('cell').first().waitFor();
    assert.equal(await tab.getByText('does not answer').count(), 0);
    await tab.close();
  }
  farm.gate('slow').open();
  await page.locator('dd .state', { hasText: 'succeeded' }).waitFor();
  await overview.getByText('Nothing runs.').waitFor();
  assert.ok(!asked.includes('/v1/events'), 'the overview follows nothing but itself');
  await overview.close();
  return meanwhile;
}

/** As a page has from a coordinator that has become another version: what cannot be shown says so, and the rest is there. */
async function outlivesAnOddAnswer(page: Page, { url }: Farm): Promise<void> {
  const odd = `${url}/v1/builds?*`;
  await page.route(odd, (route) => route.fulfill({ json: { rows: [null] } }));
  await page.getByRole('link', { name: 'Builds', exact: true }).click();
  await page.getByText('cannot show what the coordinator says').waitFor();
  await page.unroute(odd);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page
    .getByRole('link', { name: /^after/ })
    .first()
    .waitFor();
}

/** As where the disk is full: what the coordinator says is to be read, and goes once it is over. */
async function saysWhyNothingIsThere(page: Page, { url }: Farm): Promise<void> {
  const detail = 'the disk is full';
  const json = {
    type: '/docs/errors#store-unavailable',
    title: 'Full',
    status: 503,
    detail,
    code: 'store-unavailable',
  };
  const refused = `${url}/v1/{tokens/self,builds?*}`;
  await page.route(refused, (route) => route.fulfill({ status: 503, json }));
  await page.reload();
  await page.getByText(detail).waitFor();
  await page.unroute(refused);
  await page
    .getByRole('link', { name: /^after/ })
    .first()
    .waitFor();
  assert.equal(await page.getByText(detail).count(), 0);
}

/** As of a log of which all takes long to come: its end is there before that. */
async function showsTheEndOfALongLog(page: Page, farm: Farm): Promise<void> {
  const build = `/builds/${await farm.buildOf('hostile')}`;
  const { body } = await farm.request('GET', `/v1${build}`);
  const attempts = body.attempts.map((one: object) => ({ ...one, logBytes: 200_000_000 }));
  const all = Promise.withResolvers<void>();
  await page.route(
    ({ pathname }) => pathname === `/v1${build}`,
    (route) => route.fulfill({ json: { ...body, attempts } }),
  );
  await page.route(
    ({ pathname, searchParams }) => pathname === `/v1${build}/log` && searchParams.has('offset'),
    async (route) => {
      await all.promise;
      await route.continue();
    },
  );
  await show(page, build);
  await page.getByText('its end is here already').waitFor();
  const log = page.getByRole('log');
  await log.getByText('the last of it').waitFor();
  assert.equal(await log.getByRole('link').count(), 0, 'which lines these are is not known yet');
  assert.match((await log.textContent()) ?? '', /the last of it\s*$/, 'in their order also for who copies them');
  all.resolve();
  await log.getByRole('link', { name: 'Line 1', exact: true }).waitFor();
  await page.getByText('It is not all here: the builder printed 200 MB').waitFor();
  await show(page, '/');
  await page.unrouteAll();
  const id = build.slice('/builds/'.length);
  await rm(join(farm.data, 'logs', id.slice(0, 2), id), { recursive: true });
  await show(page, build);
  await page.getByText('It is lost: the builder printed').waitFor();
}

/** As the browser's own buttons do it: the page is not loaded again. */
const show = (page: Page, path: string): Promise<void> =>
  page.evaluate(`history.pushState(null, '', ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent('popstate'));`);

/** Narrow, by keyboard, and in the dark. Each page was looked at before, wide and in the light: here are those with the most colours. */
async function isForEverybody(page: Page, { url }: Farm, more: readonly string[]): Promise<void> {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: 'dark' });
  for (const path of ['/', '/builds', '/builds/nothing', '/submissions', '/agents', ...more]) {
    await show(page, path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.waitForFunction(() => document.querySelectorAll('.loading').length === 0);
    assert.ok(
      (await page.evaluate(() => document.documentElement.scrollWidth)) <= 360,
      `${path} is not wider than the screen`,
    );
    if (/^\/$|nothing|submissions\//.test(path)) await findsNothing(page, `${path} on a small dark screen`);
  }
  // What is nowhere is a page that says so, as that of a thing that there is not does.
  for (const [path, status, said] of [
    ['/nothing/at/all', 404, 'There is no such page'],
    // What every object has.
    ['/constructor', 404, 'There is no such page'],
    ['/upstreams/gone', 200, 'unknown-upstream'],
  ] as const) {
    assert.equal((await page.goto(`${url}${path}`))?.status(), status);
    await page.getByText(said).waitFor();
  }
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.textContent.trim()'), 'To the page');
}

async function logOut(page: Page, { url }: Farm): Promise<void> {
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Token').waitFor();
  const { status } = await page.request.get(`${url}/v1/status`).then((answer) => ({ status: answer.status() }));
  assert.equal(status, 401);
}

/** By the rules of WCAG 2.2 AA. */
async function findsNothing(page: Page, what: string): Promise<void> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    // What passes is not told of, and no style sheet is asked for anew: that is most of the time that it takes.
    window.axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
      resultTypes: ['violations'],
      preload: false,
    }),
  );
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
    [],
    what,
  );
}
