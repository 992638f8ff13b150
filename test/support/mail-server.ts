import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export interface ReceivedMail {
  readonly to: readonly string[];
  readonly user: string | undefined;
  readonly isSecure: boolean;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** A mail server as others run it; it keeps what it takes. */
export async function startMailServer(options: SMTPServerOptions & { readonly password?: string } = {}) {
  const received: ReceivedMail[] = [];
  const waiting: ((mail: ReceivedMail) => void)[] = [];
  let how: 'accept' | 'refuse' | 'hang' = 'accept';
  const { password, ...more } = options;
  const server = new SMTPServer({
    authOptional: password === undefined,
    logger: false,
    closeTimeout: 10,
    onAuth: (auth, _session, done) =>
      auth.password === password ? done(null, { user: auth.username }) : done(new Error('wrong password')),
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { rcptTo } = session.envelope;
        const mail = { to: rcptTo.map(({ address }) => address), user: session.user as string | undefined };
        const one = { ...mail, isSecure: session.secure, ...parse(Buffer.concat(chunks).toString()) };
        if (how === 'accept') received.push(one);
        waiting.shift()?.(one);
        if (how !== 'hang') done(how === 'accept' ? null : new Error('not today'));
      });
    },
    ...more,
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    received,
    behave: (wanted: typeof how) => {
      how = wanted;
    },
    next: () => new Promise<ReceivedMail>((resolve) => waiting.push(resolve)),
    /** Resolves once nobody is connected. */
    async gone(): Promise<void> {
      while (server.connections.size > 0) await new Promise((resolve) => setImmediate(resolve));
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A key and a certificate of its own for `localhost`. */
export function selfSigned(folder: string): { readonly key: string; readonly cert: string } {
  const files = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') };
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const wish = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names];
  execFileSync('openssl', [...wish, '-keyout', files.key, '-out', files.cert], { stdio: 'ignore' });
  return { key: readFileSync(files.key, 'utf8'), cert: readFileSync(files.cert, 'utf8') };
}

/** Headers with folded lines made one, and the text as it was before it was encoded (RFC 5322, RFC 2045). */
function parse(raw: string): Pick<ReceivedMail, 'headers' | 'text'> {
  const end = raw.indexOf('\r\n\r\n');
  const lines = raw
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers = new Map(
    lines.map((line) => [line.replace(/:.*$/s, '').toLowerCase(), line.replace(/^[^:]*:\s*/, '')]),
  );
  const body = raw.slice(end + 4);
  const encoding = headers.get('content-transfer-encoding');
  const bytes =
    encoding === 'base64'
      ? Buffer.from(body, 'base64')
      : encoding === 'quoted-printable'
        ? Buffer.from(
            body
              .replace(/=\r\n/g, '')
              .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
            'latin1',
          )
        : Buffer.from(body);
  return { headers, text: bytes.toString().replaceAll('\r\n', '\n') };
}
