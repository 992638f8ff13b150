import { spawnSync } from 'node:child_process';

/** Why nothing can be compressed with lzip here, for the test output. */
export const noLzip: string | false =
  spawnSync('lzip', ['--version']).status === 0 ? false : 'lzip is not installed (apt-get install lzip)';
