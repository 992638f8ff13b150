import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { bareType } from '../domain/event-name.ts';
import type { Commands } from './commands.ts';
import type { Workspace } from './workspace.ts';

/** What the demo waits for: how the build of graph.nix goes that fails first. */
const awaited = ['BuildAttemptFailed', 'BuildSucceeded'];
const hook = 'press';

export interface Receiver extends AsyncDisposable {
  /** Resolves with a line on each event, once all have come with a valid signature. */
  received(): Promise<readonly string[]>;
}

/** A receiver of webhooks, and a hook of the coordinator that leads to it. It checks signatures with the library of Standard Webhooks. */
export async function startReceiver(commands: Commands, workspace: Workspace): Promise<Receiver> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const secretFile = workspace.file('press.whsec');
  await writeFile(secretFile, `${secret}\n`, { mode: 0o600 });
  const lines = new Map<string, string>();
  const all = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    try {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += chunk;
      const event = new Webhook(secret).verify(body, request.headers as Record<string, string>) as ReceivedEvent;
      lines.set(event.id, describe(event));
      response.writeHead(204).end();
      if (lines.size === awaited.length) all.resolve();
    } catch (error) {
      response.writeHead(400).end((error as Error).message);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const types = awaited.flatMap((type) => ['--on', type]);
  const target = ['--webhook', `http://127.0.0.1:${port}/`, '--allow-private', '--secret-file', secretFile];
  await commands.run('drover', ['hooks', 'add', hook, ...types, '--drv', 'press', ...target]);
  return {
    async received() {
      const stop = Promise.withResolvers<never>();
      commands.signal.addEventListener('abort', () => stop.reject(commands.signal.reason), { once: true });
      await Promise.race([all.promise, stop.promise]);
      return [...lines.values()];
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Nobody listens any more: a farm that is left up delivers to nobody. */
export async function removeHook(commands: Commands): Promise<void> {
  await commands.run('drover', ['hooks', 'remove', hook]);
}

interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly data: { readonly class?: string; readonly attempt: number };
}

function describe({ id, type, data }: ReceivedEvent): string {
  const how = data.class === undefined ? '' : `: ${data.class}`;
  return `received  ${bareType(type)} of attempt ${data.attempt}${how}  (webhook-id ${id}, signature valid)`;
}
