import assert from 'node:assert/strict';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tellReady } from '../../../adapters/runtime/service-manager.ts';

// systemd itself is asked by scripts/try-units.sh: here stands a program in the place of its own.
describe('telling the service manager', () => {
  it('runs its program where it has asked to be told, and says where there is none', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'drover-notify-'));
    const said = join(folder.path, 'said');
    const tell = (NOTIFY_SOCKET?: string) =>
      tellReady({ PATH: folder.path, ...(NOTIFY_SOCKET !== undefined && { NOTIFY_SOCKET }) });
    await tell();
    await assert.rejects(tell('/run/systemd/notify'), { code: 'ENOENT' });
    const program = `#!/bin/sh\necho "$NOTIFY_SOCKET $*" > ${said}\n`;
    await writeFile(join(folder.path, 'systemd-notify'), program, { mode: 0o755 });
    await tell('/run/systemd/notify');
    assert.equal(await readFile(said, 'utf8'), '/run/systemd/notify --ready\n');
  });
});
