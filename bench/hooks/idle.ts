import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createDrover } from '../../client/index.ts';
import { connectAgent } from '../agent.ts';
import { processorMs } from '../process-figures.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';

const count = 20;

/**
 * Processor time of a coordinator that has nothing to do: a process of its own, with 20 hooks that nothing is for and the links of 20
 * agents, which are real; the agents themselves are not there. All threads of the process are counted, the kernel's part included.
 */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  if (process.platform !== 'linux') throw new Skipped('reads processor times from /proc, which is there on Linux only');
  const seconds = quick ? 5 : 60;
  const dir = await freshFolder(work, 'idle');
  const child = fork(fileURLToPath(new URL('../cache/serve.ts', import.meta.url)), [dir], { serialization: 'json' });
  try {
    const [{ url, tokenFile }] = (await once(child, 'message')) as [{ url: string; tokenFile: string }];
    const drover = createDrover({ url, token: readFileSync(tokenFile, 'utf8').trim() });
    await using links = new AsyncDisposableStack();
    for (let n = 0; n < count; n++) {
      await drover.addHook({ name: `hook-${n}`, on: ['BuildFailed'], url: 'https://hooks.example/' });
      const { secret } = await drover.addAgent({ name: `agent-${n}` });
      links.use(await connectAgent(url, secret, 1));
    }
    // What the start left to be done is done, the code that idles is compiled, and V8 has made the two collections of garbage that it
    // makes of a process which has fallen idle, one after 100 s and one after 200.
    await pause(quick ? 1000 : 220_000);
    const before = processorMs(child.pid as number);
    await pause(seconds * 1000);
    const spent = processorMs(child.pid as number) - before;
    report({
      key: 'hook-idle',
      name: `an idle coordinator with ${count} hooks and ${count} agents`,
      value: spent / seconds / 10,
      unit: '% of a core',
      note: `${spent.toFixed(0)} ms of all threads in ${seconds} s; agents are asked every 10 s`,
    });
  } finally {
    child.disconnect();
    await once(child, 'exit');
  }
}
