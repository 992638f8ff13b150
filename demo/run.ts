import { plural } from '../cli/output/text.ts';
import { createCommands } from './commands.ts';
import { demoEnvironment } from './environment.ts';
import { startFarm, startLife } from './farm.ts';
import { fetchAndCompare } from './fetch.ts';
import { record, stay } from './keep.ts';
import { startNats } from './nats.ts';
import { deleteWhatIsNeeded } from './rebuild.ts';
import { type Receiver, removeHook, startReceiver } from './receiver.ts';
import { report } from './report.ts';
import { openServices } from './services.ts';
import { submitGraph } from './submit.ts';
import { tryNext } from './try-next.ts';
import { createWorkspace, removeWorkspace } from './workspace.ts';

export interface RunOptions {
  /** What becomes of the farm at the end: with `stay` it is up until `signal` aborts, with `leave` until somebody stops it; and there goes on something in it. */
  readonly after: 'stop' | 'stay' | 'leave';
  /** Put the log on NATS JetStream. */
  readonly nats: boolean;
  readonly say: (line: string) => void;
  readonly colour: boolean;
  /** Ends the demo early. */
  readonly signal: AbortSignal;
}

/** The whole demo. Rejects when a step fails or `signal` aborts before it stays; nothing runs on then, and no file stays. */
export async function runDemo({ after, nats, say, colour, signal }: RunOptions): Promise<void> {
  const began = performance.now();
  const workspace = await createWorkspace();
  const services = openServices(workspace);
  let kept = false;
  let receiver: Receiver | undefined;
  try {
    const commands = createCommands(demoEnvironment(workspace), say, AbortSignal.any([signal, services.lost]));

    const store = nats ? await startNats(services, commands, workspace, say) : undefined;
    say(`\nA coordinator and two agents, each with a Nix store of its own, below ${workspace.path}:\n`);
    const farm = await startFarm({ workspace, commands, services, say, store });

    say(
      '\nA receiver of webhooks, and a hook that tells it how one build goes. Its first attempt is meant to fail, the second succeeds:\n',
    );
    receiver = await startReceiver(commands, workspace);

    say('\nA graph of real derivations (demo/graph.nix), which neither agent could build alone:\n');
    const builds = await submitGraph(commands, workspace);
    for (const line of await receiver.received()) say(line);
    const outputs = builds.flatMap((build) => Object.values(build.outputs));

    say("\nAll outputs, by an ordinary Nix client from the coordinator's cache, into a third, empty store:\n");
    const sizes = await fetchAndCompare(commands, farm, workspace.file('third-store'), outputs);
    say(`${plural(outputs.length, 'output')} fetched with valid signatures, each byte for byte as its agent built it.`);

    say(
      '\nAn output that a build waits to use is deleted: it is built again by itself, and the build that needs it goes on:\n',
    );
    for (const line of await deleteWhatIsNeeded(commands, workspace, builds)) say(line);

    say(`\n${report(builds, farm.agents, sizes, colour)}`);
    if (after !== 'stop') {
      await removeHook(commands);
      say('\nA newspaper, of which a number comes every half minute (demo/gazette.nix); not all goes well with it:\n');
      await startLife({ workspace, commands, services, say }, after === 'stay');
      await record(workspace, services.all);
      say(tryNext(farm, workspace, builds, after));
      say(`Done in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
    }
    if (after === 'leave') {
      for (const service of services.all) service.leave();
      kept = true;
    } else if (after === 'stay') await stay(services, signal);
  } catch (error) {
    if (!signal.aborted) say(await services.lastWords());
    throw error;
  } finally {
    await receiver?.[Symbol.asyncDispose]();
    if (!kept) {
      await services.stop();
      await removeWorkspace(workspace.path);
    }
  }
  if (after === 'stop') say(`Done in ${((performance.now() - began) / 1000).toFixed(1)} s; nothing is left running.`);
  else if (after === 'stay') say('Stopped; nothing is left running.');
}
