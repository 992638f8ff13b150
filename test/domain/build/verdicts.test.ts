import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nixRefusals } from '../../../domain/build/verdicts/nix-refusals.ts';
import { nixStatuses } from '../../../domain/build/verdicts/nix-statuses.ts';
import { verdictOnResult, verdictOnText } from '../../../domain/build/verdicts/verdict.ts';

const store = '/nix/store/gw9pm1zrq278l7sqndnc9y6illncysdd-x';
const classOf = (status: number, text: string) => {
  const verdict = verdictOnResult(status, text);
  return verdict === 'built' ? verdict : verdict.class;
};

describe('statuses of Nix', () => {
  it('are all there, once each', () =>
    assert.deepEqual(
      nixStatuses.map(({ code }) => code),
      Array.from({ length: 16 }, (_, code) => code),
    ));
  it('decide where a text says nothing that is known', () => {
    for (const { code, means } of nixStatuses) assert.equal(classOf(code, 'a riddle'), means);
    assert.equal(classOf(99, 'a riddle'), 'unknown');
    assert.equal(classOf(99, `${store}: No space left on device`), 'disk-full');
  });
  it('stand for the message where there is none', () =>
    assert.deepEqual(verdictOnResult(9, ''), {
      class: 'unknown',
      message: 'the daemon answered status 9 (MiscFailure)',
    }));
});

describe('texts of Nix', () => {
  it('mean what their row says, whatever rows stand before it', () => {
    for (const row of Object.values(nixRefusals).flat())
      assert.equal(verdictOnText(row.says.replaceAll('%', 'x')).class, row.means, row.says);
  });
  // As these programs have said them, colours and all.
  const said: readonly [version: string, status: number | undefined, text: string, means: string][] = [
    [
      '2.8',
      3,
      `\u001b[0mbuilder for '\u001b[35;1m${store}.drv\u001b[0m' failed with exit code 3;\nlast 1 log lines:\n> No space left on device\nFor full logs, run '\u001b[1mnix log ${store}.drv\u001b[0m'.`,
      'builder-failed',
    ],
    ['2.8', 3, `builder for '${store}.drv' failed due to signal 9 (Killed)`, 'agent-error'],
    [
      '2.34',
      3,
      `Cannot build '${store}.drv'.\nReason: \u001b[31;1mbuilder failed due to signal 9 (Killed)\u001b[0m.\nOutput paths:\n  ${store}`,
      'agent-error',
    ],
    ['2.8', 3, `builder for '${store}.drv' failed due to signal 11 (Segmentation fault)`, 'builder-failed'],
    [
      '2.8',
      6,
      `\u001b[0mbuilder for '\u001b[35;1m${store}.drv\u001b[0m' failed with exit code 1;\nlast 1 log lines:\n> error: unable to download 'http://127.0.0.1:1/x': Couldn't connect to server (7)\nFor full logs, run '\u001b[1mnix log ${store}.drv\u001b[0m'.`,
      'builder-failed',
    ],
    [
      '2.8',
      6,
      `builder for '${store}.drv' failed with exit code 1;\nlast 1 log lines:\n> dd: No space left on device\nFor full logs, run 'nix log ${store}.drv'.\nnote: build failure may have been caused by lack of free disk space`,
      'disk-full',
    ],
    [
      '2.8',
      5,
      `\u001b[0mbuilder for '\u001b[35;1m${store}.drv\u001b[0m' failed to produce output path for output '\u001b[35;1mout\u001b[0m' at '\u001b[35;1m/r${store}\u001b[0m'`,
      'output-missing',
    ],
    [
      '2.8',
      9,
      `\u001b[31;1merror:\u001b[0m file '\u001b[35;1m${store}/p\u001b[0m' has an unsupported type`,
      'rejected',
    ],
    ['2.26', 9, `file '${store}/p' has an unsupported type of fifo`, 'rejected'],
    [
      '2.8',
      5,
      `suspicious ownership or permission on '${store}' for output 'out'; rejecting this build output`,
      'rejected',
    ],
    [
      '2.8',
      8,
      `\u001b[0m\u001b[35;1mbuilding of '${store}.drv!out' from in-memory derivation\u001b[0m timed out after \u001b[35;1m2\u001b[0m seconds`,
      'timed-out',
    ],
    [
      '2.8',
      8,
      `building of '${store}.drv!out' from in-memory derivation timed out after 2 seconds of silence`,
      'silent-too-long',
    ],
    ['2.34', 8, 'timed out after 2 seconds', 'timed-out'],
    [
      '2.8',
      11,
      `building of '${store}.drv!out' from in-memory derivation killed after writing more than 10000 bytes of log output`,
      'log-limit',
    ],
    [
      '2.8',
      9,
      `error: a 'x86_64-linux' with features {kvm} is required to build '${store}.drv', but I am a 'x86_64-linux' with features {}`,
      'agent-error',
    ],
    [
      '2.26',
      undefined,
      `a 'aarch64-linux' with features {} is required to build '${store}.drv', but I am a 'x86_64-linux' with features {}`,
      'agent-error',
    ],
    [
      '2.34',
      4,
      `Cannot build '${store}.drv'.\nReason: \u001b[31;1mrequired system or feature not available\u001b[0m\nRequired system: 'x86_64-linux' with features {kvm}\nCurrent system: 'x86_64-linux' with features {}`,
      'agent-error',
    ],
    [
      '2.34',
      4,
      `Cannot build '${store}.drv'.\nReason: \u001b[31;1mmissing system features\u001b[0m\nRequired features: {kvm}\nAvailable features: {}`,
      'agent-error',
    ],
    [
      '2.34',
      4,
      `Cannot build '${store}.drv'.\nReason: platform mismatch\nRequired system: 'riscv64-linux'\nCurrent system: 'x86_64-linux'`,
      'agent-error',
    ],
    [
      '2.34',
      9,
      `error:\n       … while parsing derivation '${store}.drv'\n\n       … while parsing attribute "requiredSystemFeatures"\n\n       error: Expected JSON value to be of type 'array' but it is of type 'number': 3`,
      'rejected',
    ],
    [
      '2.34',
      9,
      'error:\n       … while setting up the build environment\n\n       error: bind mount from "/a" to "/b" failed: No space left on device',
      'disk-full',
    ],
    ['2.34', 9, `error: file "${store}/p" has an unsupported type`, 'rejected'],
    [
      '2.34',
      5,
      `derivation '${store}.drv' output check for 'out' contains output name 'x', but this is not a valid output of this derivation. (Valid outputs are [out].)`,
      'rejected',
    ],
    [
      '2.34',
      3,
      `Cannot build '${store}.drv'.\nReason: \u001b[31;1mbuilder failed with exit code 3\u001b[0m.\nOutput paths:\n  ${store}\nLast 1 log lines:\n> x\nFor full logs, run:\n  nix log ${store}.drv`,
      'builder-failed',
    ],
    [
      '2.34',
      6,
      `Cannot build '${store}.drv'.\nReason: builder failed with exit code 3.\nOutput paths:\n  ${store}\nLast 1 log lines:\n> x\nFor full logs, run:\n  nix log ${store}.drv\nnote: build failure may have been caused by lack of free disk space`,
      'disk-full',
    ],
    [
      '2.34',
      10,
      `Cannot build '${store}.drv'.\nReason: 1 dependency failed.\nOutput paths:\n  ${store}`,
      'inputs-missing',
    ],
    [
      '2.8',
      9,
      `error: derivation '${store}.drv' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'`,
      'rejected',
    ],
    [
      '2.8',
      9,
      `error: dependency '${store}' of '${store}.drv' does not exist, and substitution is disabled`,
      'inputs-missing',
    ],
    [
      '2.8',
      4,
      `cannot export references of path '${store}' because it is not in the input closure of the derivation`,
      'rejected',
    ],
    ['2.8', 4, "odd number of tokens in 'exportReferencesGraph': 'g'", 'rejected'],
    ['2.8', 9, "error: invalid file name '../g' in 'exportReferencesGraph'", 'rejected'],
    [
      '2.8',
      9,
      `error: cannot process __json attribute of 'x.drv': [json.exception.parse_error.101] parse error at line 1, column 2`,
      'rejected',
    ],
    ['2.8', 9, "error: attribute 'requiredSystemFeatures' of derivation 'x.drv' must be a list of strings", 'rejected'],
    ['2.8', 5, `output '${store}' is not allowed to refer to the following paths:\n  ${store}`, 'rejected'],
    ['2.8', 5, "derivation contains an illegal reference specifier 'nonsense'", 'rejected'],
    [
      '2.8',
      9,
      `error: cycle detected in build of '${store}.drv' in the references of output 'dev' from output 'out'`,
      'rejected',
    ],
    [
      '2.8',
      5,
      `hash mismatch in fixed-output derivation '${store}.drv':\n  specified: sha256-AAAA=\n     got:    sha256-BBBB=`,
      'hash-mismatch',
    ],
    ['2.8', undefined, "unknown hash algorithm 'text:sha256'", 'rejected'],
    [
      '2.8',
      undefined,
      "experimental Nix feature 'ca-derivations' is disabled; use '--extra-experimental-features ca-derivations' to override",
      'rejected',
    ],
    ['2.8', undefined, `cannot add path '${store}' because it lacks a valid signature`, 'agent-error'],
    ['2.26', undefined, `cannot add path '${store}' because it lacks a signature by a trusted key`, 'agent-error'],
    ['2.8', undefined, 'you are not privileged to build input-addressed derivations', 'agent-error'],
    ['2.8', 9, `error: writing to file '${store}': No space left on device`, 'disk-full'],
    [
      '2.8',
      undefined,
      "executing SQLite statement 'insert into …': database or disk is full (in '/nix/var/nix/db/db.sqlite')",
      'disk-full',
    ],
  ];
  for (const [version, status, text, means] of said)
    it(`of ${version} are judged: ${text.replaceAll(/[^ -~]/g, ' ').slice(0, 80)}`, () =>
      assert.equal(status === undefined ? verdictOnText(text).class : classOf(status, text), means));

  it('come to people whole, without colours and advice that does not hold here', () => {
    const verdict = verdictOnText(
      `\u001b[31;1merror:\u001b[0m hash mismatch in fixed-output derivation 'x':\n  specified: a\n     got:    b`,
    );
    assert.equal(verdict.message, "hash mismatch in fixed-output derivation 'x':\n  specified: a\n     got:    b");
    assert.match(verdictOnText('you are not privileged to repair paths').message, /^you are .*\n\(.*trusted-users/);
  });
});

describe('what a build prints or names', () => {
  const tricks = [...Object.values(nixRefusals)].flat().map(({ says }) => says.replaceAll('%', 'x'));
  const text = fc.oneof(fc.constantFrom(...tricks), fc.string(), fc.constant('\u001b[31merror:\u001b[0m x'));
  it('never decides: the lines of its log', () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), fc.boolean(), (lines, newer) => {
        const quoted = lines
          .flatMap((line) => line.split('\n'))
          .map((line) => `> ${line}\n`)
          .join('');
        const message = newer
          ? `Cannot build '${store}.drv'.\nReason: builder failed with exit code 1.\nLast ${lines.length} log lines:\n${quoted}For full logs, run:\n  nix log ${store}.drv`
          : `builder for '${store}.drv' failed with exit code 1;\nlast ${lines.length} log lines:\n${quoted}For full logs, run 'nix log ${store}.drv'.`;
        for (const status of [3, 6, 9]) assert.equal(classOf(status, message), 'builder-failed');
        assert.equal(
          classOf(6, `${message}\nnote: build failure may have been caused by lack of free disk space`),
          'disk-full',
        );
      }),
    );
  });
  it('never decides: the names of its files', () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (names) => {
        const name = names.join('\n');
        assert.equal(classOf(9, `file '${store}/${name}' has an unsupported type`), 'rejected');
      }),
    );
  });
});
