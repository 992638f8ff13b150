import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { type BrowserContext, chromium as browsers } from 'playwright-core';
import { createDrover } from '../../client/index.ts';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { runCoordinator } from '../../programs/coordinator.ts';
import { freePort } from '../support/free-port.ts';
import { startStaticServer } from '../support/static-server.ts';

/** A Chromium that is installed; npm brings none. */
export const chromium: string | undefined = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => existsSync(path));

/** What does not come on a machine that is slow and busy by then does not come: it is named, with where it was waited for. */
const patienceMs = 120_000;

/** Starts a {@link chromium}, which ends with what this resolves with. Its pages wait as long as a slow machine takes. */
export async function openBrowser(
  options: Parameters<typeof browsers.launchPersistentContext>[1] = {},
): Promise<BrowserContext> {
  const start = { executablePath: chromium as string, args: ['--no-sandbox'], timeout: patienceMs };
  const context = await browsers.launchPersistentContext('', { ...options, ...start });
  context.setDefaultTimeout(patienceMs);
  return context;
}

/** What the page `browser-page.html` shows to the test. */
interface Page {
  readonly seen: readonly string[];
  readonly lost: number;
  readonly ended: string | undefined;
  stop(): void;
  agentsOf(): Promise<readonly string[]>;
}
declare const window: Page;

/** A page of another origin follows a real coordinator over its restart, and goes on where it was after it was loaded again. */
export async function followInBrowser(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'drover-browser-'));
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rm(dir, { recursive: true }));
  const site = resources.use(await startStaticServer(fileURLToPath(new URL('../..', import.meta.url))));
  const listen = `127.0.0.1:${await freePort()}`;
  const start = (...allowedOrigins: string[]) =>
    runCoordinator(
      coordinatorConfigSchema.parse({ data: join(dir, 'data'), listen, http: { allowedOrigins } }),
      pino({ level: 'silent' }),
    );
  let coordinator = await start(site.url);
  resources.defer(() => coordinator.close());
  const { url, adminTokenFile } = coordinator;
  const token = (await readFile(adminTokenFile, 'utf8')).trim();
  const addAgent = (name: string) => createDrover({ url, token }).addAgent({ name });

  const browser = resources.use(await openBrowser());
  const page = await browser.newPage();
  await page.goto(`${site.url}/test/client/browser-page.html#${new URLSearchParams({ url, token })}`);
  const count = (wanted: number) => page.waitForFunction((least) => window.seen.length >= least, wanted);
  await addAgent('one');
  await count(1);
  assert.deepEqual(await page.evaluate(() => window.agentsOf()), ['one'], 'a call with a preflight');

  await coordinator.close();
  await page.waitForFunction(() => window.lost > 0);
  coordinator = await start(site.url);
  await addAgent('two');
  await count(2);
  const registered = (name: string) => `drover.AgentRegistered agent-${name}`;
  assert.deepEqual(await page.evaluate(() => window.seen), [registered('one'), registered('two')]);

  await page.evaluate(() => window.stop());
  await page.waitForFunction(() => window.ended === 'stopped');
  await page.reload();
  await addAgent('three');
  await count(1);
  assert.deepEqual(await page.evaluate(() => window.seen), [registered('three')], 'from its place in localStorage');

  await coordinator.close();
  coordinator = await start('http://another.example');
  assert.match(
    await page.evaluate(() => window.agentsOf().then(String, (error: Error) => error.name)),
    /^DroverUnreachable$/,
    'a page of an origin that is not allowed gets nothing',
  );
}
