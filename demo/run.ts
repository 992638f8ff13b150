import { plural } from '../cli/output/text.ts';
import { createCommands } from './commands.ts';
import { demoEnvironment } from './environment.ts';
import { startFarm } from './farm.ts';
import { fetchAndCompare } from './fetch.ts';
import { leaveUp } from './keep.ts';
import { startNats } from './nats.ts';
import { deleteWhatIsNeeded } from './rebuild.ts';
import { type Receiver, removeHook, startReceiver } from './receiver.ts';
import { report } from './report.ts';
import { openServices } from './services.ts';
import { submitGraph } from './submit.ts';
import { tryNext } from './try-next.ts';
import { createWorkspace, removeWorkspace } from './workspace.ts';

export interface RunOptions {
  /** Leave the farm up at the end. */
  readonly keep: boolean;
  /** Put the log on NATS JetStream. */
  readonly nats: boolean;
  readonly say: (line: string) => void;
  readonly colour: boolean;
  /** Ends the demo early. */
  readonly signal: AbortSignal;
}

/** The whole demo. Rejects when a step fails or `signal` aborts; nothing runs on then, and no file stays. */
export async function runDemo({ keep, nats, say, colour, signal }: RunOptions): Promise<void> {
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
    if (keep) {
      await removeHook(commands);
      await leaveUp(workspace, services.all);
      kept = true;
      say(tryNext(farm, workspace, builds));
    }
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
  say(`Done in ${((performance.now() - began) / 1000).toFixed(1)} s${kept ? '.' : '; nothing is left running.'}`);
}
