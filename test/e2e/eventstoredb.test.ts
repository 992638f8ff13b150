import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium, openBrowser } from '../client/browser.ts';
import { limited } from '../support/e2e/e2e-test.ts';
import { startFarm } from '../support/e2e/farm.ts';
import { startEventStoreDouble } from '../support/eventstoredb-server/server.ts';

test('on EventStoreDB, of which there is a double here, the slider of the dashboard goes over the log by time', {
  skip: chromium === undefined && 'no Chromium: npm run setup -- --browser',
}, async (context) => {
  await using server = await startEventStoreDouble();
  await using farm = await startFarm({ flags: ['--store', server.url] });
  await limited(
    context.name,
    farm,
    (async () => {
      await farm.request('POST', '/v1/agents', { body: { name: 'early' } });
      // Which waits for the views.
      await farm.request('GET', '/v1/builds');
      const { first, last } = (await farm.request('GET', '/v1/moments')).body;
      assert.ok(first.at < last.at, last.at);
      await using browser = await openBrowser();
      const page = await browser.newPage();
      await page.goto(`${farm.url}/agents`);
      await page.getByLabel('Token').fill(farm.adminToken);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('link', { name: 'early' }).first().waitFor();
      await page.getByRole('button', { name: 'Time machine' }).click();
      const slider = page.getByLabel('Place in the log');
      await slider.press('Home');
      // Right after the very first event.
      await page.getByText(/^as of .*, \d{19}\.\d{19}$/).waitFor();
      assert.equal(new URL(page.url()).pathname, `/at/${first.position}/agents`);
      await page.getByText('There are none:').waitFor();
      await slider.press('End');
      await page.getByRole('link', { name: 'early' }).first().waitFor();
    })(),
  );
});
