import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suites, unpacked } from '../../scripts/debian/suites.ts';
import { noNix } from './nix-store.ts';

/** One Nix that tests can run; the machine's own and those that `npm run setup -- --all-nix` has unpacked. */
export interface NixVersion {
  /** With its version where it is there: `Nix 2.34.8 of Debian sid`. */
  readonly name: string;
  /** Why it cannot be tested here, or `false` if it can. */
  readonly skip: string | false;
  /** First in `PATH`, the folder of its programs; `undefined` for the machine's own. */
  readonly bin: string | undefined;
  /** Its `nix-daemon`, for {@link openTemporaryNixBuilder}. */
  readonly program: string;
}

const rootOnly: string | false = process.getuid?.() === 0 ? false : 'a chroot store with a sandbox needs root';

export const nixVersions: readonly NixVersion[] = [
  {
    name: noNix === false ? `Nix ${versionOf('nix-daemon')} of this machine` : 'the Nix of this machine',
    skip: noNix,
    bin: undefined,
    program: 'nix-daemon',
  },
  ...suites.map((suite) => {
    const bin = unpacked(suite)?.bin;
    const program = join(bin ?? '', 'nix-daemon');
    const absent = "is not set up here ('npm run setup -- --all-nix')";
    return {
      name: bin === undefined ? `the Nix of Debian ${suite}` : `Nix ${versionOf(program)} of Debian ${suite}`,
      skip: bin === undefined ? absent : rootOnly,
      bin,
      program,
    };
  }),
];

/** `2.34.8`. */
function versionOf(program: string): string {
  const said = execFileSync(program, ['--version'], { encoding: 'utf8' });
  return /(\d+\.\d+\S*)/.exec(said)?.[1] ?? '?';
}
