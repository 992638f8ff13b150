import { spawnSync } from 'node:child_process';
import { openUpstream } from '../../adapters/upstream/open.ts';
import type { CoordinatorConfig } from '../../coordinator/config.ts';
import { infoProblem } from '../../coordinator/upstreams/status.ts';
import { bad, check, type Finding, type Found, good, warning } from './finding.ts';

/** The upstreams of the configuration: whether each answers as a cache of the right store, and whether its NARs could be read. */
export async function checkUpstreams({ upstream, storeDir }: CoordinatorConfig): Promise<readonly Finding[]> {
  const found = upstream.map((settings) =>
    check(`upstream ${settings.name}`, async () => {
      const { cache } = await openUpstream(settings, 'doctor');
      try {
        const problem = infoProblem(await cache.info(AbortSignal.timeout(settings.timeoutSeconds * 1000)), storeDir);
        return problem === undefined ? good(`${settings.url} answers`) : bad(problem);
      } catch (error) {
        const then = 'nothing waits for it: what it may have is built meanwhile';
        return warning((error as Error).message, then);
      } finally {
        cache[Symbol.dispose]();
      }
    }),
  );
  const programs = upstream.length === 0 ? [] : [check('programs for upstreams', async () => programsFound())];
  return (await Promise.all([...found, ...programs])).flat();
}

function programsFound(): Found {
  const lacking = ['xz', 'bzip2'].filter((program) => spawnSync(program, ['--version']).error !== undefined);
  if (lacking.length === 0) return good('xz and bzip2 are there');
  return warning(
    `${lacking.join(' and ')} cannot be run: NARs that are so compressed, as those of cache.nixos.org are by xz, cannot be fetched, and are built`,
    'install them (Debian: xz-utils, bzip2)',
  );
}
