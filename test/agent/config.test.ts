import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { agentConfigSchema } from '../../agent/config.ts';
import { defaultSandboxPaths, sandboxPathsOf } from '../../agent/sandbox-paths.ts';

describe('the settings of an agent', () => {
  const faults = (given: object) =>
    agentConfigSchema
      .safeParse({ coordinator: 'http://localhost', tokenFile: 'token', state: 'state', ...given })
      .error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  test('refuse paths of the sandbox that are inside of one another', () => {
    assert.deepEqual(faults({ sandboxPaths: ['/bin/sh', '/usr/bin', '/etc/ssl'] }), []);
    assert.match(
      faults({ sandboxPaths: ['/usr/bin/env', '/usr/bin'] }).join(),
      /^sandboxPaths: .*\/usr\/bin\/env below/,
    );
    assert.match(faults({ storeDir: '/gnu/store', sandboxPaths: ['/gnu'] }).join(), /^sandboxPaths: .*\/gnu\/store/);
  });

  test('show paths of the sandbox in place of the default, which then need a shell, or beside it', () => {
    const both = { sandboxPaths: ['/bin=/opt/busybox'], extraSandboxPaths: ['/dev/kvm'] };
    assert.deepEqual(faults(both), []);
    assert.deepEqual(sandboxPathsOf(both), ['/bin=/opt/busybox', '/dev/kvm']);
    assert.deepEqual(sandboxPathsOf({ extraSandboxPaths: ['/dev/kvm'] }), [...defaultSandboxPaths, '/dev/kvm']);
    const [fault = ''] = faults({ sandboxPaths: ['/bin/sleep'] });
    assert.match(fault, /^sandboxPaths: expected \/bin\/sh among them.*got \/bin\/sleep\..* extra-sandbox-paths/);
    assert.deepEqual(faults({ sandboxPaths: ['/bin/sleep'], sandbox: false }), []);
    assert.match(faults({ extraSandboxPaths: ['/usr/lib/x'] }).join(), /^extraSandboxPaths: .*\/usr\/lib\/x below/);
  });

  test('refuse an address with a user or a password', () => {
    for (const coordinator of ['http://u:p@host', 'https://u@host/x'])
      assert.match(faults({ coordinator }).join(), /^coordinator: expected an address without user and password/);
  });

  test('refuse among those of Nix what the agent looks at itself, by all its names', () => {
    assert.deepEqual(faults({ nixConfig: { cores: '2', 'sandbox-build-dir': '/b' } }), []);
    for (const name of ['sandbox', 'build-use-sandbox', 'build-use-chroot'])
      assert.match(
        faults({ nixConfig: { [name]: 'false' } }).join(),
        /^nixConfig: .* the setting sandbox of the agent/,
      );
    for (const name of ['sandbox-paths', 'build-chroot-dirs'])
      assert.match(faults({ nixConfig: { [name]: '/bin' } }).join(), /the setting sandbox-paths of the agent/);
    for (const name of ['extra-sandbox-paths', 'build-extra-chroot-dirs', 'extra-build-sandbox-paths'])
      assert.match(faults({ nixConfig: { [name]: '/bin' } }).join(), /the setting extra-sandbox-paths of the agent/);
  });
});
