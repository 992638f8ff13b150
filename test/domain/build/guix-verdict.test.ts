import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verdictOnGuix } from '../../../domain/build/verdicts/guix-verdict.ts';

const drv = '/gnu/store/00000000000000000000000000000000-x.drv';
const said = (status: number, ...lines: string[]) =>
  verdictOnGuix({ status, message: `build of \`${drv}' failed`, lines, timeoutSeconds: 7 });

/** As guix-daemon 1.5.0 said them. */
const cases: readonly (readonly [what: string, verdict: ReturnType<typeof said>, failure: string, message: RegExp])[] =
  [
    ['a limit', said(101, `building of \`${drv}' timed out after %2% seconds`), 'timed-out', /after 7 seconds/],
    [
      'silence',
      said(101, `building of \`${drv}' timed out after 1 seconds of silence`),
      'silent-too-long',
      /of silence/,
    ],
    ['a limit without a word', said(101), 'timed-out', /failed/],
    ['a failure without a word', said(100), 'builder-failed', /failed/],
    ['something else', said(1, 'the moon is full'), 'unknown', /the moon is full/],
    [
      'a wrong hash',
      said(1, `@ hash-mismatch ${drv} sha256 aaaa bbbb`, `hash mismatch for store item '${drv}'`),
      'hash-mismatch',
      /expected sha256:aaaa, got sha256:bbbb/,
    ],
    [
      'a full disk behind it',
      said(
        1,
        'note: build failure may have been caused by lack of free disk space',
        `builder for \`${drv}' failed with exit code 1`,
      ),
      'disk-full',
      /exit code 1/,
    ],
    [
      'too few users',
      said(
        1,
        "all build users are currently in use; consider creating additional users and adding them to the `guixbuild' group",
      ),
      'agent-error',
      /fewer slots/,
    ],
    [
      'a Guix without zstd, of which lists show the first line',
      said(
        1,
        'substitute: Backtrace:',
        'substitute: In ice-9/boot-9.scm:',
        'substitute:   1784:12 18 (with-exception-handler _ _ #:unwind? _ #:unwind-for-type _)',
        'substitute:',
        'substitute: ice-9/boot-9.scm:1705:22: In procedure raise-exception:',
        'substitute: Throw to key `match-error\' with args `("match" "no matching pattern" ())\'.',
        "`/usr/bin/guix substitute' died unexpectedly",
      ),
      'fetch-failed',
      /^the Guix of this machine may know none .*\["gzip"\].*\nsubstitute: Throw to key .*\n.* died unexpectedly\n.*failed$/,
    ],
    [
      'a machine that kills',
      said(100, `builder for \`${drv}' failed due to signal 9 (Killed)`),
      'agent-error',
      /memory/,
    ],
  ];

describe('what guix-daemon says of a failure', () => {
  for (const [what, verdict, failure, message] of cases)
    test(what, () => {
      assert.equal(verdict.class, failure, verdict.message);
      assert.match(verdict.message, message);
    });
});
