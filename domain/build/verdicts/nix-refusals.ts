import type { Refusal } from './refusal.ts';

const untrusted = "the agent's user has to be in `trusted-users` of the machine's nix.conf";
const unsupported =
  'Drover builds input-addressed and fixed outputs; dynamic, text-hashed and floating ones are not supported';
const tooDeep = 'folders in an output or in the folder of a build: too many levels, or too long names';
const repair = 'the store of the machine is damaged: `nix-store --verify --check-contents --repair` there';
const killed =
  'by Nix, which takes a builder that has closed its output for one that has ended; or by the machine, which had no memory left; or by somebody';
const absent =
  'where the file is in the store, the store of the machine is damaged: `nix-store --verify --check-contents --repair` there; elsewhere, `sandbox-paths` of its nix.conf may name what is not there';
const abilities = 'the systems and features that the agent announces are not those of its Nix';

/**
 * What daemons of Nix 2.8, 2.26, 2.34 and later say, by the file of Nix's sources that says it. The first row that matches the whole
 * text counts (newer Nix puts "… while doing this" before it, which may be the whole that matters): names of files and other text that a build chooses stand within rows, so they cannot make one row look like another
 * that is further up, and what the operating system says comes last, at the very end of a text, where no build gets.
 */
export const nixRefusals: Readonly<Record<string, readonly Refusal[]>> = {
  // 2.8: build/local-derivation-goal.cc; 2.26: unix/build/local-derivation-goal.cc; then unix/build/derivation-builder.cc
  'the end of a builder': [
    { says: '%\nnote: build failure may have been caused by lack of free disk space', means: 'disk-full' },
    { says: "builder for '%' failed to produce output path for output '%' at %", means: 'output-missing' },
    { says: "builder for '%' failed with exit code %", means: 'builder-failed' },
    { says: "builder for '%' failed due to signal 9 (Killed)", means: 'agent-error', hint: killed, killed: true },
    { says: "builder for '%' failed due to signal %", means: 'builder-failed' },
    {
      says: "Cannot build '%'.\nReason: builder failed due to signal 9 (Killed)%",
      means: 'agent-error',
      hint: killed,
      killed: true,
    },
    { says: "Cannot build '%'.\nReason: builder failed %", means: 'builder-failed' },
  ],
  // The same, and build/derivation-check.cc; posix-fs-canonicalise.cc and archive.cc for the types of files
  'checks of outputs': [
    { says: "hash mismatch in fixed-output derivation '%':\n%", means: 'hash-mismatch' },
    { says: "derivation '%' may not be deterministic: output %", means: 'not-deterministic' },
    { says: "output '%' of '%' differs from %", means: 'not-deterministic' },
    { says: "file '%' has an unsupported type%", means: 'rejected' },
    { says: 'file % has an unsupported type%', means: 'rejected' },
    { says: 'suspicious ownership or permission on % for output %; rejecting this build output', means: 'rejected' },
    { says: 'invalid ownership on file %', means: 'rejected' },
    { says: "output '%' is not allowed to refer to the following paths:%", means: 'rejected' },
    { says: "derivation contains an illegal reference specifier '%'", means: 'rejected' },
    {
      says: "derivation '%' output check for '%' contains output name '%', but this is not a valid output of this derivation%",
      means: 'rejected',
    },
    { says: "derivation '%' output check for '%' contains an illegal reference specifier '%'%", means: 'rejected' },
    { says: "path '%' is too large at % bytes; limit is % bytes", means: 'rejected' },
    { says: "closure of path '%' is too large at % bytes; limit is % bytes", means: 'rejected' },
    { says: "cycle detected in build of '%' in the references of output '%' from output '%'%", means: 'rejected' },
    { says: "cycle detected in the references of '%' from '%'%", means: 'rejected' },
    {
      says: 'output path % should be a non-executable regular file since recursive hashing is not enabled %',
      means: 'rejected',
    },
    { says: "illegal path references in fixed-output derivation '%'", means: 'rejected' },
    { says: "fixed output derivation '%' is not allowed to refer to other store paths.%", means: 'rejected' },
    { says: "fixed-output derivations must not reference store paths: '%' references %", means: 'rejected' },
    { says: "NAR contains invalid file name '%'", means: 'rejected' },
    { says: 'file name collision %', means: 'rejected' },
  ],
  // build/derivation-goal.cc, build/derivation-building-goal.cc, worker.cc, goal.cc
  limits: [
    { says: '% timed out after % seconds of silence', means: 'silent-too-long' },
    { says: '% timed out after % seconds', means: 'timed-out' },
    { says: 'timed out after % seconds', means: 'timed-out' },
    { says: '% killed after writing more than % bytes of log output', means: 'log-limit' },
  ],
  // local-derivation-goal.cc, derivation-builder.cc, derivation-env-desugar.cc, parsed-derivations.cc, derivation-options.cc
  'what a derivation may not ask for': [
    {
      says: "cannot export references of path '%' because it is not in the input closure of the derivation",
      means: 'rejected',
    },
    { says: "odd number of tokens in 'exportReferencesGraph': '%'", means: 'rejected' },
    { says: "invalid file name '%' in 'exportReferencesGraph'", means: 'rejected' },
    { says: "'exportReferencesGraph' contains a non-store path '%'", means: 'rejected' },
    { says: "'exportReferencesGraph' value is not an array or a string", means: 'rejected' },
    { says: "cannot process __json attribute of '%': %", means: 'rejected' },
    { says: 'cannot process __json attribute: %', means: 'rejected' },
    { says: "… while parsing derivation '%'%", means: 'rejected' },
    { says: "attribute '%' of derivation '%' must be %", means: 'rejected' },
    { says: "attribute '%' must be %", means: 'rejected' },
    {
      says: "derivation '%' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'",
      means: 'rejected',
      hint: 'its agents build in sandboxes only',
    },
    {
      says: "derivation '%' specifies a sandbox profile, but this is only allowed when 'sandbox' is 'relaxed'",
      means: 'rejected',
    },
    { says: "derivation '%' requested impure path '%', but it was not in allowed-impure-host-deps", means: 'rejected' },
    { says: "pure derivation '%' depends on impure derivation '%'", means: 'rejected' },
  ],
  // derivations.cc, daemon.cc, hash.cc, experimental-features.cc
  'derivations that are not taken': [
    { says: "unknown hash algorithm '%'%", means: 'rejected', hint: unsupported },
    { says: "experimental Nix feature '%' is disabled%", means: 'rejected', hint: unsupported },
    { says: "derivation % has incorrect output '%', should be %", means: 'rejected' },
    { says: "derivation has incorrect output '%', should be %", means: 'rejected' },
    { says: "derivation '%' has incorrect environment variable '%', should be '%'", means: 'rejected' },
    { says: "derivation has incorrect environment variable '%', should be '%'%", means: 'rejected' },
    { says: "derivation has missing environment variable '%', should be '%'%", means: 'rejected' },
    { says: 'multiple outputs are not supported in fixed-output derivations', means: 'rejected' },
  ],
  // The same as above, and derivation-building-goal.cc: status 4 with the reason on the second line from about 2.30 on
  'what the machine lacks': [
    {
      says: "a '%' with features {%} is required to build '%', but I am a '%' with features {%}",
      means: 'agent-error',
      hint: abilities,
    },
    {
      says: "Cannot build '%'.\nReason: required system or feature not available%",
      means: 'agent-error',
      hint: abilities,
    },
    {
      says: "Cannot build '%'.\nReason: missing system features%",
      means: 'agent-error',
      hint: abilities,
    },
    {
      says: "Cannot build '%'.\nReason: platform mismatch%",
      means: 'agent-error',
      hint: abilities,
    },
    {
      says: "Cannot build '%'.\nReason: local builds are disabled%",
      means: 'agent-error',
      hint: abilities,
    },
    { says: "feature 'uid-range' %", means: 'agent-error', hint: abilities },
    { says: 'cannot perform a sandboxed build because %', means: 'agent-error' },
    {
      says: 'this system does not support the kernel namespaces that are required for sandboxing%',
      means: 'agent-error',
    },
    { says: 'mount namespaces do not work on this system: %', means: 'agent-error' },
    { says: "the build users group '%' has no members", means: 'agent-error' },
    { says: "the group '%' specified in 'build-users-group' does not exist", means: 'agent-error' },
    { says: "the user '%' in the group '%' does not exist", means: 'agent-error' },
    { says: "the Nix user should not be a member of '%'", means: 'agent-error' },
    {
      says: 'home directory % exists; please remove it to assure purity of builds without sandboxing',
      means: 'agent-error',
    },
    { says: "could not add path '%' to sandbox%", means: 'agent-error' },
    { says: "while waiting for the build environment for '%' to initialize (%", means: 'agent-error' },
    { says: 'unable to load seccomp BPF program%', means: 'agent-error' },
    { says: 'unable to make % shared%', means: 'agent-error' },
    { says: 'cannot kill %', means: 'agent-error' },
    { says: 'Unable to build with a primary store that %', means: 'agent-error' },
    { says: 'Unable to start any build; %', means: 'agent-error' },
    { says: 'build hook died unexpectedly: %', means: 'agent-error' },
    { says: 'interrupted by the user', means: 'agent-error' },
    { says: '% was interrupted', means: 'agent-error' },
    { says: 'std::bad_alloc', means: 'agent-error' },
  ],
  // daemon.cc, local-store.cc
  trust: [
    { says: 'you are not privileged to %', means: 'agent-error', hint: untrusted },
    { says: "repairing is not allowed because you are not in 'trusted-users'", means: 'agent-error', hint: untrusted },
    { says: "cannot add path '%' because it lacks a valid signature", means: 'agent-error', hint: untrusted },
    {
      says: "cannot add path '%' because it lacks a signature by a trusted key",
      means: 'agent-error',
      hint: untrusted,
    },
  ],
  // derivation-goal.cc, derivation-building-goal.cc, substitution-goal.cc
  inputs: [
    { says: "dependency '%' of '%' does not exist, and substitution is disabled", means: 'inputs-missing' },
    { says: "some dependencies of '%' are missing", means: 'inputs-missing' },
    { says: "% dependencies of derivation '%' failed to build", means: 'inputs-missing' },
    { says: "Cannot build '%'.\nReason: % dependency failed%", means: 'inputs-missing' },
    { says: "Cannot build '%'.\nReason: % dependencies failed%", means: 'inputs-missing' },
    { says: "some references of path '%' could not be realised", means: 'inputs-missing' },
    { says: "path '%' is required, but there is no substituter that can build it", means: 'inputs-missing' },
    { says: "cannot build missing derivation '%'", means: 'inputs-missing' },
  ],
  // local-store.cc: an input from the cache, after the agent has checked it against its narinfo
  'items that are added': [
    { says: "hash mismatch importing path '%';%", means: 'fetch-failed' },
    { says: "size mismatch importing path '%';%", means: 'fetch-failed' },
    { says: "ca hash mismatch importing path '%';%", means: 'fetch-failed' },
    {
      says: "cannot add path '%' to the Nix store because it claims to be content-addressed but isn't",
      means: 'fetch-failed',
    },
    { says: "warning: path '%' claims to be content-addressed but isn't", means: 'fetch-failed' },
  ],
  // local-store.cc, sqlite.cc
  'the store of the machine': [
    { says: "path '%' is not valid", means: 'agent-error' },
    { says: "path '%' is corrupted or missing!", means: 'agent-error', hint: repair },
    { says: "found corrupted or missing path '%' in the output closure of '%'", means: 'agent-error', hint: repair },
    { says: "path '%' disappeared, but it still has valid referrers!", means: 'agent-error', hint: repair },
    { says: "some outputs of '%' are not valid%", means: 'agent-error' },
    { says: 'some outputs are unexpectedly invalid', means: 'agent-error' },
    { says: "cannot substitute path '%' - no write access to the Nix store", means: 'agent-error' },
    { says: 'Nix database directory % is not writable', means: 'agent-error' },
    { says: 'executing SQLite %database or disk is full%', means: 'disk-full' },
    ...['executing', 'creating', 'opening', 'cannot open'].flatMap((doing) =>
      ['database disk image is malformed', 'file is not a database', 'disk I/O error'].map((what) => ({
        says: `${doing} SQLite %${what}%`,
        means: 'agent-error' as const,
        hint: repair,
        storeDamaged: true as const,
      })),
    ),
    { says: 'executing SQLite %', means: 'agent-error' },
    { says: 'cannot open SQLite database %', means: 'agent-error' },
    { says: "SQLite database '%' is busy%", means: 'agent-error' },
    { says: 'current Nix store schema is version %, but I only support %', means: 'agent-error' },
    { says: 'database does not exist, and cannot be created in read-only mode', means: 'agent-error' },
  ],
  // error.hh: `SysError` puts the system's words after a colon at the end
  'what the operating system says': [
    { says: '%: No space left on device', means: 'disk-full' },
    { says: '%: Disk quota exceeded', means: 'disk-full' },
    { says: '%: Input/output error', means: 'agent-error' },
    { says: '%: Read-only file system', means: 'agent-error' },
    { says: '%: Permission denied', means: 'agent-error' },
    { says: '%: Operation not permitted', means: 'agent-error' },
    { says: '%: No such file or directory', means: 'agent-error', hint: absent },
    { says: '%: Too many open files', means: 'agent-error' },
    { says: '%: Too many open files in system', means: 'agent-error' },
    { says: '%: Cannot allocate memory', means: 'agent-error' },
    { says: '%: Resource temporarily unavailable', means: 'agent-error' },
    { says: '%: Structure needs cleaning', means: 'agent-error' },
    { says: '%: Stale file handle', means: 'agent-error' },
    { says: '%: Transport endpoint is not connected', means: 'agent-error' },
    { says: '%: Device or resource busy', means: 'agent-error' },
    { says: '%: Text file busy', means: 'agent-error' },
    { says: '%: File name too long', means: 'rejected', hint: tooDeep },
  ],
  // Assertions in the code around them; crash-handler.cc from 2.26 on. A daemon that dies of what it was asked would die again
  'what a daemon says as it dies': [
    {
      says: "%makeFixedOutputPath(%Assertion `references.empty()' failed%",
      means: 'rejected',
      hint: 'a fixed output refers to store paths, which none may; this Nix ends over it',
    },
    { says: "%Assertion `%' failed%", means: 'unknown' },
    { says: "%Assertion '%' failed%", means: 'unknown' },
    { says: '%Nix crashed. This is a bug%', means: 'unknown' },
  ],
};
