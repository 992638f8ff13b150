import { setTimeout as pause } from 'node:timers/promises';
import { chromium as browsers, type Page } from 'playwright-core';
import { chromium } from '../../test/client/browser.ts';
import { type Row, Skipped } from '../row.ts';
import type { Farm } from './farm.ts';

interface Scene {
  readonly farm: Farm;
  readonly cookie: string;
  readonly quick: boolean;
  /** Has a hundred events happen a second meanwhile. */
  busy(): AsyncDisposable;
}

/** What a person sees and when, in a real browser on this machine. */
export async function inBrowser(origin: string, { farm, cookie, quick, busy }: Scene): Promise<Row[]> {
  if (chromium === undefined) throw new Skipped('what a browser shows needs Chromium: npm run setup -- --browser');
  await using browser = await browsers.launch({ executablePath: chromium, args: ['--no-sandbox'] });
  const [name = '', value = ''] = cookie.split('=');

  /** A browser's window of somebody who has been here before only to log in; the bench's own code in it is what the policy of the page forbids. */
  async function open(path: string, shows: string): Promise<{ page: Page; ms: number } & AsyncDisposable> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
    await context.addCookies([{ name, value, url: origin }]);
    const page = await context.newPage();
    await page.addInitScript(`{
      const look = () => {
        if (window.shownAt === undefined && document.querySelector('${shows}')) window.shownAt = performance.now();
      };
      new MutationObserver(look).observe(document, { subtree: true, childList: true });
    }`);
    await page.goto(`${origin}${path}`);
    await page.waitForFunction('window.shownAt !== undefined && document.querySelector(".connection.live")');
    return { page, ms: await page.evaluate('window.shownAt'), [Symbol.asyncDispose]: () => context.close() };
  }

  async function firstView(): Promise<Row[]> {
    const took: number[] = [];
    // The first starts processes of the browser.
    await (await open('/', '.figures b'))[Symbol.asyncDispose]();
    for (let n = 0; n < (quick ? 3 : 15); n++) {
      await using opened = await open('/', '.figures b');
      took.push(opened.ms);
    }
    return [row('view-p50', 'from navigation to the figures of the overview', took, 0.5)];
  }

  /** Milliseconds from the answer to what changes something to when the page shows it, for each of so many changes. */
  async function ways(page: Page, change: () => Promise<{ element: string; text: string }>): Promise<number[]> {
    const took: number[] = [];
    for (let n = -1; n < (quick ? 5 : 100); n++) {
      // What the change before caused is over, and one more would not be the first in a while.
      await pause(550 + Math.random() * 200);
      await page.evaluate(`{
        const shown = window.shown = new Map();
        const look = () => {
          for (const one of document.querySelectorAll('[class^="state"], dd')) {
            const row = one.closest('tr')?.querySelector('a')?.textContent ?? one.previousElementSibling?.textContent ?? '';
            const key = row + ': ' + one.textContent;
            if (!shown.has(key)) shown.set(key, Date.now());
          }
        };
        look();
        shown.forEach((_, key) => shown.set(key, 0));
        window.watching?.disconnect();
        window.watching = new MutationObserver(look);
        window.watching.observe(document, { subtree: true, childList: true, characterData: true });
      }`);
      const { element, text } = await change();
      const durableAt = Date.now();
      const key = JSON.stringify(`${element}: ${text}`);
      await page.waitForFunction(`window.shown.has(${key})`);
      const shownAt = (await page.evaluate(`window.shown.get(${key})`)) as number;
      took.push(shownAt - durableAt);
    }
    return took;
  }

  const pausing = async () => {
    const text = await farm.turn('agent-0');
    return { element: 'agent-0', text };
  };
  const build = farm.waiting[0] as string;
  let priority = 0;
  const prioritizing = async () => {
    await farm.drover.prioritizeBuild({ build, priority: ++priority });
    return { element: 'Priority', text: String(priority) };
  };

  const rows = await firstView();
  const both = (key: string, what: string, [first = Number.NaN, ...took]: readonly number[]): void => {
    // Neither the page nor the coordinator may have done it before.
    rows.push({ key: `dashboard-${key}-first`, name: `${what}, the first of all`, value: first, unit: 'ms' });
    rows.push(row(`${key}-p50`, what, took, 0.5), row(`${key}-p99`, what, took, 0.99));
  };
  {
    await using overview = await open('/', '.figures b');
    both('overview', 'event durable → the overview shows it', await ways(overview.page, pausing));
    await using _ = busy();
    both('overview-busy', 'the same beside 100 events/s', await ways(overview.page, pausing));
  }
  {
    await using opened = await open(`/builds/${build}`, 'dd');
    both('build', "event durable → the build's page shows it", await ways(opened.page, prioritizing));
    await using _ = busy();
    both('build-busy', 'the same beside 100 events/s', await ways(opened.page, prioritizing));
  }
  return rows;
}

function row(key: string, name: string, took: readonly number[], share: number): Row {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] as number;
  return {
    key: `dashboard-${key}`,
    name: `${name}, p${share * 100}`,
    value: at(share),
    unit: 'ms',
    note: `${took.length} times, ${at(0).toFixed(0)} to ${at(1).toFixed(0)} ms`,
  };
}
