import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseNatsUrl } from '../../../../adapters/event-store/nats/url.ts';

it('reads servers, the stream and everything that is said in parameters', () => {
  assert.deepEqual(parseNatsUrl('nats://host'), { servers: ['host'], stream: 'DROVER' });
  assert.deepEqual(parseNatsUrl('nats://a:4222,b:4223,[::1]:4224/FARM?replicas=3&storage=file&sync=always&lease=5'), {
    servers: ['a:4222', 'b:4223', '[::1]:4224'],
    stream: 'FARM',
    replicas: 3,
    storage: 'file',
    syncAlways: true,
    leaseSeconds: 5,
  });
  assert.deepEqual(parseNatsUrl('nats://me:p%40ss:word@host/'), {
    servers: ['host'],
    stream: 'DROVER',
    login: { kind: 'password', user: 'me', password: 'p@ss:word' },
  });
  assert.deepEqual(parseNatsUrl('nats://t0ken@host').login, { kind: 'token', token: 't0ken' });
  assert.deepEqual(parseNatsUrl('tls://host').tls, true);
  assert.deepEqual(parseNatsUrl('tls://host?ca=/etc/ca.pem&cert=/c.pem&key=/k.pem&creds=/my%20creds'), {
    servers: ['host'],
    stream: 'DROVER',
    tls: { ca: '/etc/ca.pem', cert: '/c.pem', key: '/k.pem' },
    login: { kind: 'creds', file: '/my creds' },
  });
  assert.deepEqual(parseNatsUrl('nats://host?nkey=/seed').login, { kind: 'nkey', file: '/seed' });
});

it('says what it expected, and never a password', () => {
  const refused: [string, RegExp][] = [
    ['http://host', /Expected nats:\/\//],
    ['nats://', /Expected nats:\/\//],
    ['nats://me:secret@host,/X', /Expected host or host:port, got ""/],
    ['nats://me:secret@host:port', /Expected host or host:port, got "host:port"/],
    ['nats://host/A.B', /Expected a stream of up to 64 letters/],
    ['nats://host?replicas=0', /Expected replicas to be a whole number from 1 to 5, got "0"/],
    ['nats://host?replicas=2.5', /Expected replicas to be a whole number/],
    ['nats://host?replicas=1&replicas=3', /Expected replicas once/],
    ['nats://host?storage=disk', /Expected storage to be one of file, memory, got "disk"/],
    ['nats://host?sync=', /Expected a value for sync/],
    ['nats://host?colour=red', /Expected a parameter to be one of replicas/],
    ['nats://host?cert=/c', /Expected cert and key together/],
    ['nats://me:secret@host?creds=/c', /Expected one of user:password@, creds and nkey/],
    ['nats://me:secret@host?x y', /Expected a parameter/],
    ['nats//me:secret@host', /Expected nats:\/\//],
  ];
  for (const [url, expected] of refused) {
    assert.throws(
      () => parseNatsUrl(url),
      (error: Error) => {
        assert.match(error.message, expected, url);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  }
});
