import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { limited, noRealFarm } from '../support/e2e/e2e-test.ts';
import { expectOneAttempt } from '../support/e2e/events-of.ts';
import { noise, startFarm } from '../support/e2e/farm.ts';
import { uploadOffsets } from '../support/e2e/uploads.ts';
import { noNginx, startNginx } from '../support/nginx.ts';

test('behind an nginx without upgrades an agent says what to set; with them, and bodies of 1 MB, sources and outputs arrive in parts', {
  skip: noRealFarm || noNginx,
}, async () => {
  await using farm = await startFarm();
  const folder = join(farm.folder, 'nginx');
  await mkdir(folder);
  await using nginx = await startNginx(folder, farm.network.target as number, '1m');
  await using eating = await startNginx(folder, farm.network.target as number, '1m', { webSockets: false });
  farm.network.target = eating.port;
  await limited(
    'proxy',
    farm,
    (async () => {
      const dialling = /^GET \/v1\/agent-link/;
      const first = farm.network.hold(dialling);
      const linked = farm.agent('a');
      (await first).resume();
      // It has said so before it tries again.
      const again = await farm.network.hold(dialling);
      farm.network.target = nginx.port;
      again.cut();
      const agent = await linked;
      assert.match(
        agent.process.said(),
        /a proxy before the coordinator \(nginx\/[\d.]+\) takes the WebSocket out of requests; it has to pass .*proxy_set_header Upgrade/,
      );
      farm.put('blob', noise(5_000_000));
      await writeFile(join(farm.folder, 'source'), noise(3_000_000));
      const expression = join(farm.folder, 'proxy.nix');
      await writeFile(
        expression,
        `derivation { name = "with-source"; system = builtins.currentSystem; builder = "/bin/sh";
             args = [ "-c" "/bin/cat /gate/blob $source > $out" ]; source = ${join(farm.folder, 'source')}; }`,
      );
      const store = ['--store', `local?root=${farm.evaluated}`];
      const path = (await farm.nix('nix-instantiate', [...store, expression])).trim();
      const { code, said } = await farm.drover(['submit', '--store-root', farm.evaluated, path]);
      assert.equal(code, 0, said);
      await expectOneAttempt(farm, 'with-source');
      const seen = farm.network.requests.filter(({ method }) => method === 'PATCH');
      const sizes = seen.map(({ head }) => Number(/^content-length: (\d+)\r?$/im.exec(head)?.[1]));
      assert.ok(sizes.some((size) => size > 1024 * 1024) && (sizes.at(-1) as number) <= 1024 * 1024, `${sizes}`);
      assert.ok(new Set(uploadOffsets(farm)).size > 8, 'in parts');
    })(),
  );
});
