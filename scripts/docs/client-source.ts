import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { harness } from '../../test/adapters/http/harness.ts';
import { clientTypes } from './client-types.ts';

/** `client/generated.ts` as it has to be, from the document that a server gives out, in the form that the linter wants. */
export async function clientSource(): Promise<string> {
  await using server = await harness();
  const { body } = await server.app.inject({ url: '/v1/openapi.json' });
  const biome = fileURLToPath(new URL('../../node_modules/@biomejs/biome/bin/biome', import.meta.url));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [biome, 'format', '--stdin-file-path=client/generated.ts'],
    {
      input: clientTypes(JSON.parse(body)),
      encoding: 'utf8',
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    },
  );
  if (status !== 0) throw new Error(`biome could not format the client: ${stderr}`);
  return stdout;
}
