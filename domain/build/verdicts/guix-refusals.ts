import type { FailureClass } from '../failure-class.ts';
import type { Refusal } from './refusal.ts';

const abilities = 'the systems that the agent announces are not those of its guix-daemon';
const users =
  'guix-daemon needs a build user for each build at a time: add users to its build users group, or give the agent fewer slots';
const tooFew = 'guix-daemon has no build users: see `--build-users-group`';
const repair = 'the store of the machine is damaged: `guix gc --verify=contents,repair` there';

const foreign =
  'the Guix of this machine may know none of the compressions that the cache offers: set `cache-guix-compressions = ["gzip"]` at the coordinator';

const means = (failure: FailureClass, texts: readonly string[], hint?: string): Refusal[] =>
  texts.map((says) => ({ says, means: failure, ...(hint !== undefined && { hint }) }));

/**
 * What guix-daemon says, from 1.3 to 1.5, with `%` for what varies: its `build.cc`, `local-store.cc`, `derivations.cc` and `util.cc`. The
 * first row that matches a whole line counts.
 */
export const guixRefusals: readonly Refusal[] = [
  ...means('disk-full', [
    'note: build failure may have been caused by lack of free disk space',
    '%: No space left on device',
    '%: Disk quota exceeded',
    '%database or disk is full%',
  ]),
  ...means('silent-too-long', ['% timed out after % seconds of silence']),
  ...means('timed-out', ['% timed out after % seconds']),
  ...means('log-limit', ['% killed after writing more than % bytes of log output']),
  ...means('output-missing', ["builder for `%' failed to produce output path `%'"]),
  ...means('builder-failed', ["builder for `%' failed with exit code %"]),
  {
    says: "builder for `%' failed due to signal 9 (Killed)",
    means: 'agent-error',
    hint: 'by the machine, which had no memory left; or by somebody',
    killed: true,
  },
  ...means('builder-failed', ["builder for `%' failed due to signal %", "builder for `%' failed previously (cached)"]),
  ...means('hash-mismatch', ["hash mismatch for store item '%'"]),
  ...means('not-deterministic', [
    "derivation `%' may not be deterministic: output `%' differs%",
    "output `%' of `%' differs from %",
  ]),
  ...means('rejected', [
    "file `%' has an unsupported type",
    "suspicious ownership or permission on `%'; rejecting this build output",
    "invalid ownership on file `%'",
    "output path `%' should be a non-executable regular file",
    "output (`%') is not allowed to refer to path `%'",
    "derivation contains an invalid reference specifier `%'",
    "derivation `%' has incorrect output `%', should be `%'",
    "derivation `%' does not have an output named `out'",
    "derivation `%' requires non-existent output `%' from input derivation `%'",
    "`exportReferencesGraph' contains %",
    "odd number of tokens in `exportReferencesGraph': `%'",
    "invalid file name `%' in `exportReferencesGraph'",
    "cycle detected in the references of `%' from `%'",
    "bad path `%' in derivation",
    '%: File name too long',
  ]),
  ...means('agent-error', ["a `%' is required to build `%', but I am a `%'"], abilities),
  ...means('agent-error', ['all build users are currently in use; %'], users),
  ...means(
    'agent-error',
    ["the build users group `%' has no members", "the group `%' specified in `build-users-group' %"],
    tooFew,
  ),
  ...means(
    'agent-error',
    ["path `%' disappeared, but it still has valid referrers!", "path `%' is corrupted or missing!"],
    repair,
  ),
  ...means('agent-error', [
    "the user `%' in the group `%' does not exist",
    "the build user should not be a member of `%'",
    "directory `%' exists; please remove it",
    'unable to start any build; %',
    'build daemon out of memory',
    'cannot create build root %',
    "cannot build derivation `%' - no write access to the store",
    'current store schema is version %, but I only support %',
    '%: Input/output error',
    '%: Read-only file system',
    '%: Permission denied',
    '%: Operation not permitted',
    '%: No such file or directory',
    '%: Too many open files%',
    '%: Cannot allocate memory',
    '%: Resource temporarily unavailable',
    '%: Invalid argument',
    '%: Device or resource busy',
    '%: Text file busy',
    '%: Structure needs cleaning',
  ]),
  ...['database disk image is malformed', 'file is not a database', 'disk I/O error'].map(
    (what): Refusal => ({
      says: `%${what}%`,
      means: 'agent-error',
      hint: repair,
      storeDamaged: true,
    }),
  ),
  {
    says: "substitute: Throw to key `match-error' with args %",
    means: 'fetch-failed',
    hint: foreign,
    hintFirst: true,
  },
  ...means('inputs-missing', [
    "cannot build derivation `%': % dependencies couldn't be built",
    "path `%' is required, but there is no substituter that can build it",
    "path `%' does not exist and cannot be created",
    "cannot build missing derivation `%'",
    "some references of path `%' could not be realised",
    "path `%' is not valid",
  ]),
];
