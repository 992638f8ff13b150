import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createDaemonLog } from '../../../../adapters/builder/guix/daemon-log.ts';

const part = fc.oneof(
  fc.record({ kind: fc.constant('log' as const), text: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
  fc.record({ kind: fc.constant('line' as const), text: fc.stringMatching(/^[a-z@ `'-]{1,30}$/) }),
);

test('what a daemon says is taken apart, whatever a build prints and however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 20 }), fc.integer({ min: 1, max: 50 }), async (parts, cut) => {
      const said = Buffer.concat(
        parts.map(({ kind, text }) =>
          kind === 'log'
            ? Buffer.concat([Buffer.from(`@ build-log 12 ${text.length}\n`), Buffer.from(text)])
            : Buffer.from(`${text}\n`),
        ),
      );
      const chunks: Uint8Array[] = [];
      const log = createDaemonLog((chunk) => void chunks.push(Buffer.from(chunk)));
      for (let at = 0; at < said.length; at += cut) await log.take(said.subarray(at, at + cut));
      log.end();
      const printed = parts.flatMap(({ kind, text }) => (kind === 'log' ? [Buffer.from(text)] : []));
      assert.deepEqual(Buffer.concat(chunks), Buffer.concat(printed));
      const lines = parts.flatMap(({ kind, text }) => (kind === 'line' ? [text] : []));
      assert.deepEqual(log.lines, lines);
    }),
  );
});
