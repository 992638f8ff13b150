import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Tells the service manager that this process serves: systemd, whose units of `Type=notify` count as started from then on. Does nothing
 * where none asks for it. It listens on a Unix socket of datagrams, which Node has none of; its own program speaks for us, and its
 * messages count where the unit says `NotifyAccess=all`. Rejects where that program cannot be run or fails.
 *
 * Source: sd_notify(3), systemd-notify(1).
 */
export async function tellReady(environment: NodeJS.ProcessEnv): Promise<void> {
  if (!environment.NOTIFY_SOCKET) return;
  await promisify(execFile)('systemd-notify', ['--ready'], { env: environment, timeout: 30_000 });
}
