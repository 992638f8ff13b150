import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import type { MailSettings } from '../../domain/hook/target.ts';
import { boundedSocket } from './bounded-socket.ts';
import { addressProblem, bareHost, explain, reachOf } from './reach.ts';
import type { Resolve } from './resolve.ts';
import { readSecretLine } from './small-file.ts';

export interface Mail {
  readonly subject: string;
  readonly text: string;
  /** `<…>`, the same for a repeat. */
  readonly messageId: string;
  /** Message-ID of what it follows on. */
  readonly inReplyTo: string | undefined;
  readonly date: Date;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * What a server may say, with its certificates, to all of one mail. Each line of its answers is kept until its turn comes, which takes the
 * longer the more there are: a few megabytes of line breaks would take all of a processor for hours, whatever became of the mail.
 */
const mostAnswers = 128 * 1024;

const ports = { 'smtp:': 587, 'smtps:': 465 } as const;

/**
 * Hands a mail to its server: over TLS from the start (`smtps:`) or by STARTTLS, which has to be offered, unless the settings say
 * `plain`. The connection is made here, so that it goes where the hook may go and nowhere else. Resolves with what the server said of
 * recipients that it refused while it took others; rejects where it takes none, or is away.
 */
export async function sendMail(
  { server, from, to, user, passwordFile, plain, allowPrivate }: MailSettings,
  mail: Mail,
  resolve: Resolve,
  signal: AbortSignal,
): Promise<readonly string[]> {
  signal.throwIfAborted();
  const url = new URL(server);
  const host = bareHost(url.hostname);
  const problem = addressProblem(url, allowPrivate);
  if (problem !== undefined) throw new Error(problem);
  const pass = passwordFile === undefined ? undefined : await readSecretLine('password file', passwordFile);
  const port = url.port === '' ? ports[url.protocol as keyof typeof ports] : Number(url.port);
  const reach = reachOf(allowPrivate, resolve, signal);
  // Loaded by those who send mail.
  const { createTransport } = await import('nodemailer');
  const socket = connect({ host, port, lookup: reach.lookup, signal });
  // Whoever waits for it is told by other ways.
  socket.on('error', () => {});
  try {
    await once(socket, 'connect');
    const refused = reach.problemOf(socket);
    if (refused !== undefined) throw new Error(refused);
    const connection = boundedSocket(socket, mostAnswers);
    const transport = createTransport({
      host,
      port,
      connection: connection as Socket,
      secure: url.protocol === 'smtps:',
      ...(plain === true ? { ignoreTLS: true } : { requireTLS: url.protocol === 'smtp:' }),
      ...(isIP(host) === 0 && { tls: { servername: host } }),
      ...(user !== undefined && { auth: { user, pass: pass ?? '' }, forceAuth: true }),
      // What is in a mail is no path and no address to read from, whatever a build is called.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const ended = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => ended.reject(new Error('ended before the server had taken it')), {
      once: true,
    });
    const sent = await Promise.race([
      transport.sendMail({ ...mail, from, to, inReplyTo: mail.inReplyTo, references: mail.inReplyTo }),
      ended.promise,
    ]);
    const refusals = sent.rejectedErrors?.map(({ recipient, message }) => `${recipient}: ${message}`) ?? [];
    return refusals.map((text) => withoutPassword(text, user, pass));
  } catch (error) {
    throw new Error(withoutPassword(explain(error as Error).message, user, pass), { cause: error });
  } finally {
    socket.destroy();
  }
}

/** What a server answers may repeat what it was told, and goes into the log. */
function withoutPassword(text: string, user: string | undefined, password: string | undefined): string {
  if (password === undefined) return text;
  const encoded = [`\0${user}\0${password}`, password].map((secret) => Buffer.from(secret).toString('base64'));
  return [...encoded, password].reduce((rest, secret) => rest.replaceAll(secret, '(password)'), text);
}

/** Why no mail can be sent, where that is known without asking anybody. */
export async function mailProblem({ server, passwordFile, allowPrivate }: MailSettings): Promise<string | undefined> {
  const problem = addressProblem(new URL(server), allowPrivate);
  if (problem !== undefined || passwordFile === undefined) return problem;
  return readSecretLine('password file', passwordFile).then(
    () => undefined,
    (error: Error) => error.message,
  );
}
