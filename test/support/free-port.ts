import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that a system gives to whoever asks for any and to outgoing connections (32768 and up on Linux, 49152 and up
 * elsewhere): a program that is killed and started again finds its own still free, whatever ran meanwhile.
 */
const [lowest, highest] = [12_000, 32_000] as const;

/** A port of this machine that nobody listens at: for programs that cannot say which one they were given, or come back to it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(randomInt(lowest, highest), '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    return port;
  }
}
