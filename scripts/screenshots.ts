/**
 * Pictures of the dashboard's main pages for the documents, of a farm that has something of everything: `node scripts/screenshots.ts` writes them to
 * docs/images. It needs Nix and Chromium, as the tests do.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium as browsers, type Page } from 'playwright-core';
import { chromium } from '../test/client/browser.ts';
import { isBuild } from '../test/support/e2e/events-of.ts';
import { type Farm, startFarm } from '../test/support/e2e/farm.ts';

const folder = fileURLToPath(new URL('../docs/images', import.meta.url));

/** Builds that have ended well and badly, one that runs, and what waits for that. */
async function fill(farm: Farm): Promise<void> {
  await farm.agent('birch', { slots: 2, features: ['left'] });
  await farm.agent('rowan', { slots: 2, features: ['right'] });
  await farm.submit(['top'], '--tag', 'branch=main');
  await farm.next('BuildSucceeded', isBuild(await farm.buildOf('top')));
  await farm.submit(['topOfFailing'], '--tag', 'branch=wip', '--max-attempts', '1');
  await farm.next('BuildFailed', isBuild(await farm.buildOf('failing')));
  await farm.submit(['after', 'hostile'], '--tag', 'branch=main');
  await farm.gate('slow').arrived();
  await farm.gate('hostile').arrived();
}

async function take(page: Page, farm: Farm, path: string, name: string, seen: string): Promise<void> {
  await page.goto(`${farm.url}${path}`);
  await page.getByText(seen).first().waitFor();
  await page.getByText('live', { exact: true }).waitFor();
  await page.locator('.loading').first().waitFor({ state: 'detached' });
  await save(page, name);
}

async function save(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(folder, `${name}.png`) });
  console.log(`docs/images/${name}.png`);
}

/** A build that has ended, as of when what it waited for was begun. */
async function takeBefore(page: Page, farm: Farm): Promise<void> {
  const [build, input] = [await farm.buildOf('top'), await farm.buildOf('left')];
  await page.goto(`${farm.url}/at/build-${input}@2/builds/${build}`);
  await page.getByText('Waits for').first().waitFor();
  await page.getByRole('button', { name: 'Time machine' }).click();
  await page.getByLabel('Place in the log').waitFor();
  await save(page, 'dashboard-time-machine');
}

if (chromium === undefined) throw new Error('there is no Chromium: npm run setup -- --browser');
mkdirSync(folder, { recursive: true });
await using farm = await startFarm();
await fill(farm);
await using browser = await browsers.launch({ executablePath: chromium, args: ['--no-sandbox'] });
for (const colorScheme of ['light', 'dark'] as const) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, colorScheme });
  await context.request.post(`${farm.url}/v1/session`, { data: { token: farm.adminToken } });
  const page = await context.newPage();
  const suffix = colorScheme === 'dark' ? '-dark' : '';
  // Agents say how much room they have with their heartbeats.
  await take(page, farm, '/', `dashboard-overview${suffix}`, 'Least room of agents');
  if (colorScheme === 'dark') continue;
  const waiting = await farm.buildOf('after');
  await take(page, farm, `/builds/${waiting}`, 'dashboard-build', 'slow');
  await take(page, farm, `/submissions/${waiting.replace(/-\d+$/, '')}`, 'dashboard-submission', 'after');
  await takeBefore(page, farm);
}
