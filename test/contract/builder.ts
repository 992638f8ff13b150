import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Builder, BuildOutcome, BuildRequest } from '../../agent/ports/builder.ts';
import { createNarVerifier } from '../../domain/store/nar-verifier.ts';
import { fileNar } from '../support/fake-builder.ts';

/** What a script is built with. */
export interface ScriptBuild
  extends Partial<
    Pick<BuildRequest, 'inputs' | 'timeoutSeconds' | 'maxSilentSeconds' | 'maxLogBytes' | 'signal' | 'onLog'>
  > {
  /** Default: `out`. */
  readonly outputNames?: readonly string[];
  /** Variables besides the outputs; each character is a byte. */
  readonly env?: readonly (readonly [name: string, value: string])[];
  /** The contents that the output has to have, by their flat SHA-256. */
  readonly fixed?: string;
}

export interface BuilderSubject {
  readonly builder: Builder;
  /** Builds a script with a shell, in a session of its own; gives the full paths of the outputs. */
  build(
    name: string,
    script: string,
    how?: ScriptBuild,
  ): Promise<{ readonly outcome: BuildOutcome; readonly log: string; readonly outputs: readonly string[] }>;
}

/** What every builder does, whatever program builds. To be called in a `describe`; the subject is asked for by each test. */
export function builderContract(subjectOf: () => BuilderSubject): void {
  test('succeed, with their log and their outputs', async () => {
    const subject = subjectOf();
    const phase = '@nix { "action": "setPhase", "phase": "buildPhase" }';
    const script = `echo one; echo '${phase}' >&2; echo two >&2; printf data > $out; echo $out > $dev`;
    const item = `${subject.builder.storeDir}/00000000000000000000000000000001-item`;
    const { outcome, log, outputs } = await subject.build('success', script, { outputNames: ['dev', 'out'] });
    assert.equal(outcome.status, 'built', JSON.stringify(outcome));
    assert.equal(log, `one\n${phase}\ntwo\n`);
    const [dev, out] = outputs as [string, string];
    assert.deepEqual(await subject.builder.missing([out, item]), [item]);
    const info = (await subject.builder.pathInfo(dev)) ?? assert.fail('not valid');
    assert.deepEqual(info.references, [out]);
    assert.match(info.deriver ?? '', /-success\.drv$/);
    const nar = await buffer(subject.builder.dump(info, new AbortController().signal));
    assert.deepEqual(nar, fileNar(`${out}\n`));
    assert.equal(info.narSize, nar.length);
    const verifier = createNarVerifier({ maxSize: info.narSize });
    verifier.write(nar);
    assert.equal(verifier.end().narHash, info.narHash);
  });

  test('are built already the second time', async () => {
    const subject = subjectOf();
    assert.equal((await subject.build('twice', 'echo x > $out')).outcome.status, 'built');
    const again = await subject.build('twice', 'echo x > $out');
    assert.equal(again.outcome.status, 'built');
    assert.equal(again.log, '');
  });

  test('keep bytes that are not UTF-8', async () => {
    const subject = subjectOf();
    const { outcome, outputs } = await subject.build('bytes', 'printf %s "$odd" > $out', {
      env: [['odd', 'caf\u00e9\u0080']],
    });
    assert.equal(outcome.status, 'built', JSON.stringify(outcome));
    const info = (await subject.builder.pathInfo(outputs[0] as string)) ?? assert.fail('not valid');
    const nar = await buffer(subject.builder.dump(info, new AbortController().signal));
    assert.deepEqual(nar, fileNar(Buffer.from([99, 97, 102, 0xe9, 0x80])));
  });

  test('fail with their exit code', async () => {
    const subject = subjectOf();
    const { outcome, log } = await subject.build('failure', 'echo oh no; exit 3');
    assertFailed(outcome, 'builder-failed', /exit code 3/);
    assert.equal(log, 'oh no\n');
  });

  test('end at their time limit', async () => {
    const subject = subjectOf();
    const { outcome } = await subject.build('slow', 'while :; do echo x; read -t 1 y < /dev/zero; done', {
      timeoutSeconds: 1,
    });
    assertFailed(outcome, 'timed-out', /after 1 seconds/);
  });

  test('end when they are silent', async () => {
    const subject = subjectOf();
    const { outcome } = await subject.build('silent', 'while :; do :; done', { maxSilentSeconds: 1 });
    assertFailed(outcome, 'silent-too-long', /after 1 second/);
  });

  test('end at their log limit', async () => {
    const subject = subjectOf();
    const { outcome, log } = await subject.build('loud', 'while :; do echo 0123456789; done', { maxLogBytes: 20_000 });
    assertFailed(outcome, 'log-limit', /20000 bytes/);
    assert.ok(log.length <= 40_000);
  });

  test('say that an input is missing', async () => {
    const subject = subjectOf();
    const { outcome } = await subject.build('orphan', 'echo > $out', {
      inputs: [`${subject.builder.storeDir}/00000000000000000000000000000009-no`],
    });
    assertFailed(outcome, 'inputs-missing', /00000000000000000000000000000009-no/);
  });

  test('say that an output is missing', async () => {
    const subject = subjectOf();
    const { outcome } = await subject.build('lazy', ':');
    assertFailed(outcome, 'output-missing', /failed to produce output/);
  });

  test('are checked against a fixed hash, and fail for good where they fail', async () => {
    const subject = subjectOf();
    const wrong = await subject.build('fixed', 'printf wrong > $out', { fixed: 'right' });
    assertFailed(wrong.outcome, 'hash-mismatch', /hash mismatch/);
    const failed = await subject.build('fixed', 'exit 1', { fixed: 'right' });
    assertFailed(failed.outcome, 'builder-failed', /exit code 1/);
    const right = await subject.build('fixed', 'printf right > $out', { fixed: 'right' });
    assert.equal(right.outcome.status, 'built', JSON.stringify(right.outcome));
  });

  test('leave no process when they are cancelled', async () => {
    const subject = subjectOf();
    const stop = new AbortController();
    const mark = `drover-test-${process.pid}-${process.hrtime.bigint()}`;
    const started = Promise.withResolvers<void>();
    const running = subject.build('endless', `echo up; while :; do :; done; : ${mark}`, {
      signal: stop.signal,
      onLog: () => started.resolve(),
    });
    await started.promise;
    assert.ok(processesWith(mark).length > 0, 'the builder is there');
    stop.abort(new Error('canceled'));
    assert.deepEqual((await running).outcome, { status: 'canceled' });
    assert.deepEqual(processesWith(mark), []);
  });
}

export function assertFailed(outcome: BuildOutcome, expected: string, message: RegExp): void {
  assert.ok(outcome.status === 'failed', `expected a failure, got ${outcome.status}`);
  assert.equal(outcome.class, expected, outcome.message);
  assert.match(outcome.message, message);
}

/** Processes that have this in their arguments. */
export function processesWith(mark: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(mark) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
