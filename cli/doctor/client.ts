import { readContexts } from '../contexts/store.ts';
import { type ConnectionFlags, connectionOf } from '../http/connection.ts';
import { printable } from '../output/text.ts';
import { bad, check, type Finding, good } from './finding.ts';
import { checkReach, ownToken, type ReachEdges, reachEdges } from './reach.ts';

/** What commands that talk to a coordinator would use. */
export async function checkClient(
  flags: ConnectionFlags,
  environment: NodeJS.ProcessEnv,
  edges: ReachEdges = reachEdges,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  let connection: ReturnType<typeof connectionOf> | undefined;
  findings.push(
    ...(await check('settings', async () => {
      connection = connectionOf(flags, environment);
      const { current } = readContexts(environment);
      const from =
        flags.url !== undefined
          ? '--url'
          : flags.context !== undefined
            ? `the context ${flags.context}`
            : environment.DROVER_URL
              ? 'DROVER_URL'
              : (environment.DROVER_CONTEXT ?? current) !== undefined
                ? `the context ${environment.DROVER_CONTEXT || current}`
                : 'no setting: it is the default';
      return good(`the coordinator is ${printable(connection.url)}, from ${from}`);
    })),
  );
  if (connection === undefined) return findings;
  const { findings: reach, reached } = await checkReach('coordinator', connection, edges);
  findings.push(...reach);
  const { url, token } = connection;
  findings.push(
    ...(await check('token', async () => {
      if (token === undefined)
        return bad('there is none', `drover login ${printable(url)} keeps one; or --token-file, or DROVER_TOKEN_FILE`);
      if (!reached) return good('there is one; nobody was there to ask about it');
      const { name, scope, agent } = await ownToken({ url, token });
      if (agent !== undefined)
        return bad(
          `it is the token of the agent ${printable(agent)}, which commands cannot use`,
          'give one of scope read, submit or admin: drover tokens create NAME --scope submit',
        );
      return good(`${printable(name)}, scope ${scope}`);
    })),
  );
  return findings;
}
