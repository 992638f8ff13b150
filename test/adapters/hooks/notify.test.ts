import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { CloudEvent, HTTP } from 'cloudevents';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import type { HookDelivery } from '../../../coordinator/ports/hook-transport.ts';
import type { MailSettings } from '../../../domain/hook/target.ts';
import { anyHookTransportContract, deliveryOf, type HookReceiver } from '../../contract/hook-transport.ts';
import { hookTransport } from '../../support/hook-transport.ts';
import { selfSigned, startMailServer } from '../../support/mail-server.ts';
import { listen } from '../../support/web-receiver.ts';

const never = new AbortController().signal;
const folder = await mkdtemp(join(tmpdir(), 'drover-notify-'));
after(() => rm(folder, { recursive: true, force: true }));
const tls = selfSigned(folder);
setDefaultCACertificates([...getCACertificates(), tls.cert]);

const brokenBy = 'build-s1-3@4';
const change = { brokenBy, brokenSince: 1_700_000_000_000 };
const message = 'builder for hello failed:\n  error: no rule to make target\n\u001b[31mred\u001b[0m';

const log = Array.from({ length: 40 }, (_, n) => `line ${n}\n`).join('');
const transport = (more: Parameters<typeof hookTransport>[0] = {}) =>
  hookTransport({
    logs: {
      size: async () => log.length,
      read: async (_build, _attempt, { offset = 0 } = {}) =>
        (async function* () {
          yield Buffer.from(log.slice(offset));
        })(),
    },
    publicUrl: 'https://drover.example/',
    ...more,
  });

type Target = Extract<HookDelivery['target'], { kind: 'notify' }>;
function broken(target: Target): HookDelivery {
  const delivery = deliveryOf(target);
  const event = { ...delivery.event, type: 'BuildFailed', data: { attempt: 3, class: 'builder-failed', message } };
  return { ...delivery, event, facts: { ...delivery.facts, agent: 'a', change: { kind: 'broken', ...change } } };
}
function fixed(target: Target): HookDelivery {
  const delivery = broken(target);
  const { class: _, ...facts } = delivery.facts;
  return {
    ...delivery,
    event: {
      ...delivery.event,
      stream: 'build-s2-1',
      revision: 7,
      type: 'BuildSucceeded',
      at: 1_700_010_800_000,
      data: { attempt: 1 },
    },
    facts: { ...facts, change: { kind: 'fixed', ...change } },
  };
}
const mailTo = (port: number, more: Partial<MailSettings> = {}): Target => ({
  kind: 'notify',
  mail: {
    server: `smtp://127.0.0.1:${port}`,
    from: 'drover@example.org',
    to: ['ops@example.org', 'dev@example.org'],
    plain: true,
    allowPrivate: true,
    ...more,
  },
});

/** Says what it likes to whoever connects. */
async function rawServer(talk: (socket: Socket) => void) {
  const server = createServer((socket) => {
    socket.on('error', () => {}).resume();
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function openMail(): Promise<HookReceiver> {
  const server = await startMailServer();
  return {
    target: mailTo(server.port),
    nobody: mailTo(1),
    behave: server.behave,
    next: server.next,
    gone: server.gone,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
async function openWebhook(): Promise<HookReceiver> {
  let how = 'accept';
  const arrived: ((event: unknown) => void)[] = [];
  const server = await listen((response, { body }) => {
    arrived.shift()?.(JSON.parse(body));
    if (how !== 'hang') response.writeHead(how === 'accept' ? 204 : 500).end();
  });
  return {
    target: { kind: 'notify', webhook: { url: server.url, allowPrivate: true } },
    nobody: { kind: 'notify', webhook: { url: 'http://127.0.0.1:1/', allowPrivate: true } },
    behave: (wanted) => {
      how = wanted;
    },
    next: () => new Promise((resolve) => arrived.push(resolve)),
    gone: server.gone,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
anyHookTransportContract('notify by mail', () => transport(), openMail);
anyHookTransportContract('notify by webhook', () => transport(), openWebhook);

describe('a notification by mail', () => {
  it('says what broke, why and since when, and is answered by the one that it is fixed', async () => {
    await using server = await startMailServer();
    const target = mailTo(server.port);
    for (const delivery of [broken(target), broken(target), fixed(target)])
      assert.deepEqual(await transport().deliver(delivery, never), { ok: true });
    const [first, again, fix] = server.received;
    assert.ok(first && again && fix);
    assert.deepEqual(first.to, ['ops@example.org', 'dev@example.org']);
    assert.equal(first.headers.get('subject'), '[drover] broken: hello-2.12 (x86_64-linux)');
    assert.equal(first.headers.get('from'), 'drover@example.org');
    assert.equal(first.headers.get('auto-submitted'), 'auto-generated');
    assert.equal(first.headers.get('date'), 'Tue, 14 Nov 2023 22:13:20 +0000');
    assert.equal(first.headers.get('message-id'), '<build-s1-3.4.h@c-1.drover.invalid>');
    assert.equal(again.headers.get('message-id'), first.headers.get('message-id'), 'a repeat can be told');
    assert.equal(first.headers.get('in-reply-to'), undefined);
    assert.equal(
      first.text.trimEnd(),
      `hello-2.12 on x86_64-linux is broken: builder-failed.

  build         s1-3, attempt 3
  derivation    /nix/store/0c7kfrczv1idqh8bzqjgrdzjh3akz8ip-hello-2.12.drv
  agent         a
  submission    s1
  tags          branch=main
  time          2023-11-14T22:13:20.000Z
  log           drover builds log s1-3 --attempt 3
                https://drover.example/v1/builds/s1-3/log?attempt=3
  event         build-s1-3@4

What was said:

  builder for hello failed:
    error: no rule to make target
  red

The end of the log:

${Array.from({ length: 20 }, (_, n) => `  line ${n + 20}`).join('\n')}`,
    );
    assert.equal(fix.headers.get('subject'), '[drover] fixed: hello-2.12 (x86_64-linux)');
    assert.equal(fix.headers.get('in-reply-to'), first.headers.get('message-id'));
    assert.equal(fix.headers.get('references'), first.headers.get('message-id'));
    assert.match(fix.text, /^hello-2\.12 on x86_64-linux is fixed\.\n/);
    assert.match(fix.text, /^ {2}broken since {2}2023-11-14T22:13:20\.000Z \(3 h\), by build-s1-3@4$/m);
    assert.doesNotMatch(fix.text, /log:|said:/);
  });

  it('goes with a password over TLS only, to a server whose certificate holds', async () => {
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 's3cret\n');
    await using starttls = await startMailServer({ ...tls, password: 's3cret' });
    await using implicit = await startMailServer({ ...tls, secure: true, password: 's3cret' });
    const settings = { plain: false, user: 'drover', passwordFile };
    for (const [scheme, server] of [
      ['smtp', starttls],
      ['smtps', implicit],
    ] as const) {
      const url = (host: string) => ({ ...settings, server: `${scheme}://${host}:${server.port}` });
      assert.deepEqual(await transport().deliver(broken(mailTo(1, url('localhost'))), never), { ok: true });
      assert.deepEqual([server.received[0]?.user, server.received[0]?.isSecure], ['drover', true]);
      // The certificate is another's.
      const other = await transport().deliver(broken(mailTo(1, url('127.0.0.1'))), never);
      assert.ok(!other.ok && /certificate|altnames/i.test(other.error), JSON.stringify(other));
    }
    await writeFile(passwordFile, 'another\n');
    const wrong = mailTo(1, { ...settings, server: `smtp://localhost:${starttls.port}` });
    const refused = await transport().deliver(broken(wrong), never);
    assert.ok(
      !refused.ok && /wrong password/.test(refused.error) && !/another/.test(refused.error),
      JSON.stringify(refused),
    );
    // One that offers no TLS does not get it at all.
    await using plain = await startMailServer({ hideSTARTTLS: true });
    const downgraded = await transport().deliver(broken(mailTo(plain.port, { plain: false })), never);
    assert.equal(downgraded.ok, false);
    assert.equal(plain.received.length, 0);
  });

  it('says what others wrote so that it steers nothing, and passes for nothing else', async () => {
    await using server = await startMailServer();
    const delivery = broken(mailTo(server.port));
    const odd = 'v\u001b[31m\u0007\r\nBcc: x@example.org\n\nWhat was said:\n\u202egnp\u009b1m';
    const data = { attempt: 3, class: 'builder-failed', message: odd };
    const facts = { ...delivery.facts, tags: { branch: odd } };
    await transport().deliver({ ...delivery, event: { ...delivery.event, data }, facts }, never);
    const [{ text, headers } = { text: '', headers: new Map() }] = server.received;
    assert.doesNotMatch(text.replaceAll(/[\r\n]/g, ''), /[\p{Cc}\p{Bidi_Control}]/u);
    assert.match(text, /^ {2}tags {10}branch=v. Bcc: x@example\.org What was said: .gnp/mu);
    assert.equal(headers.get('bcc'), undefined);
  });

  it('fails where the server says more than belongs to a mail, and waits for none of it', async () => {
    const many = Buffer.from('\r\n'.repeat(1_000_000));
    await using server = await rawServer((socket) => void socket.write(many));
    const outcome = await transport().deliver(broken(mailTo(server.port)), never);
    assert.ok(!outcome.ok && /at most 131072 bytes/.test(outcome.error), JSON.stringify(outcome));
  });

  it('that is refused in words that repeat the password fails without it', async () => {
    const passwordFile = join(folder, 'repeated');
    await writeFile(passwordFile, 's3cret-word\n');
    await using server = await startMailServer({
      ...tls,
      onAuth: ({ password = '' }, _session, done) =>
        done(new Error(`${password} ${Buffer.from(`\0u\0${password}`).toString('base64')}`)),
    });
    const settings = { plain: false, user: 'u', passwordFile, server: `smtp://localhost:${server.port}` };
    const outcome = await transport().deliver(broken(mailTo(1, settings)), never);
    assert.ok(!outcome.ok && /\(password\) \(password\)/.test(outcome.error), JSON.stringify(outcome));
    assert.doesNotMatch(JSON.stringify(outcome), /s3cret-word/);
  });

  it('that the server takes for some recipients only has been delivered, and the log names the others', async () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    await using server = await startMailServer({
      onRcptTo: ({ address }, _session, done) => done(address.startsWith('dev') ? new Error('no such user') : null),
    });
    assert.deepEqual(await transport({ logger }).deliver(broken(mailTo(server.port)), never), { ok: true });
    assert.deepEqual(server.received[0]?.to, ['ops@example.org']);
    assert.match(lines.join(), /refused a recipient: .*dev@example\.org/);
    const none = await transport().deliver(broken(mailTo(server.port, { to: ['dev@example.org'] })), never);
    assert.ok(!none.ok && /no such user/.test(none.error), JSON.stringify(none));
  });

  it('goes to public addresses only, unless the hook says otherwise', async () => {
    await using server = await startMailServer();
    for (const host of ['127.0.0.1', 'localhost']) {
      const target = mailTo(1, { server: `smtp://${host}:${server.port}`, allowPrivate: false });
      const outcome = await transport().deliver(broken(target), never);
      assert.ok(!outcome.ok && /expected a public address/.test(outcome.error), JSON.stringify(outcome));
    }
    assert.match((await transport().check(mailTo(25, { allowPrivate: false }))) ?? '', /expected a public address/);
    const lacks = mailTo(25, { plain: false, user: 'x', passwordFile: join(folder, 'none') });
    assert.match((await transport().check(lacks)) ?? '', /^password file .*ENOENT/);
  });
});

describe('a notification by webhook', () => {
  it('is the event with what changed beside it, signed, and a CloudEvent', async () => {
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const secretFile = join(folder, 'secret');
    await writeFile(secretFile, secret);
    const got: { headers: Record<string, string>; body: string }[] = [];
    await using server = await listen((response, { headers, body }) => {
      got.push({ headers: headers as Record<string, string>, body });
      response.writeHead(204).end();
    });
    const target = { kind: 'notify', webhook: { url: server.url, allowPrivate: true, secretFile } } as const;
    for (const delivery of [broken(target), fixed(target)])
      assert.deepEqual(await transport().deliver(delivery, never), { ok: true });
    const [first, fix] = got.map(({ headers, body }) => {
      const event = HTTP.toEvent({ headers, body }) as CloudEvent;
      assert.ok(event instanceof CloudEvent && event.validate());
      return new Webhook(secret).verify(body, headers) as Record<string, string>;
    });
    assert.deepEqual(
      [first?.id, first?.type, first?.change, first?.brokenby, first?.brokensince, first?.summary],
      [
        brokenBy,
        'drover.BuildFailed',
        'broken',
        brokenBy,
        '2023-11-14T22:13:20.000Z',
        'hello-2.12 on x86_64-linux is broken: builder-failed',
      ],
    );
    assert.match(first?.text ?? '', /no rule to make target[\s\S]*line 39/);
    assert.deepEqual([fix?.id, fix?.change, fix?.brokenby], ['build-s2-1@7', 'fixed', brokenBy]);
  });
});
